/**
 * House rules that a linter cannot check, or that are worth checking twice: how files begin, which way imports go, where time
 * and chance come from, that nothing points at one machine, and that generated pages are what their generators print.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { docPages } from '../server/tools/doc-pages.ts'

const root = join(import.meta.dirname, '..')
const rooms = ['engine', 'storage', 'wal', 'server']

/** Where the world enters: what each file may use, because it implements a port or reads a figure of the process. */
const worldly: Readonly<Record<string, readonly string[]>> = {
  'server/main.ts': ['process', 'setTimeout'],
  'server/moraine.cts': ['process'],
  'server/logging.ts': ['process'],
  'server/figures.ts': ['process'],
  'server/info/server-sections.ts': ['process'],
  'server/main-thread-cpu.ts': ['process'],
  'server/metrics/process-metrics.ts': ['process'],
  'server/network/tcp-network.ts': ['process'],
  'server/real-ports.ts': ['process'],
  'server/real-clock.ts': ['Date', 'performance', 'setImmediate', 'setTimeout'],
  'server/young-generation.ts': ['setInterval'],
  'storage/directory-lock.ts': ['process'],
  'storage/level-thread.ts': ['performance'],
  'wal/memory-log.ts': ['queueMicrotask'],
}
/** What of the server the files of a part may import. */
const knownTo: Readonly<Record<string, readonly string[]>> = {
  'server/resp/': ['server/resp/'],
  'server/network/': ['server/network/', 'server/resp/'],
  'server/config/': ['server/config/', 'server/version.ts'],
  'server/shard/': [
    'server/shard/',
    'server/config/',
    'server/command-table.ts',
    'server/dispatch-errors.ts',
    'server/logging.ts',
    'server/ports.ts',
    'server/progress.ts',
  ],
}

const worldlyNames =
  /(?<![\w.'"`$/-])(?:(?:process|performance|Date)(?=\.\w|\[|\()|(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b(?![\w'"`:]))|(?<=\bnew )Date\b|\bMath\.random\b/g

/** Programs that try seed after seed. The tests themselves have one. */
const drawsFreshSeeds = ['test/explore.ts', 'test/faults/main.ts', 'test/simulation/main.ts', 'test/tidy.test.ts']

const files = filesBelow()
const sources = files.filter((path) => rooms.includes(path.split('/')[0]) && /\.(ts|mjs)$/.test(path))

/** Files below a folder, relative to the project's, without what is installed, built or kept as data. */
function filesBelow(folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) return ['node_modules', 'dist', 'data', '.git'].includes(entry.name) ? [] : filesBelow(path)
    return entry.isFile() ? [path] : []
  })
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Source text without comments, strings left alone: enough to see which globals are used. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[\s;,{}])\/\/.*$/gm, '$1')
}

/** The sources that a file imports, types included. */
function importsOf(path: string): string[] {
  return [...read(path).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']*)'/g)].map((match) => normalize(join(dirname(path), match[1])))
}

/** Each file that breaks a rule, with what breaks it. */
function offenders(paths: readonly string[], find: (path: string) => readonly string[]): string[] {
  return paths.flatMap((path) => find(path).map((what) => `${path}: ${what}`))
}

describe('the house', () => {
  it('has sources to look at', () => {
    expect(sources.length).toBeGreaterThan(20)
  })

  it('opens every source file with a comment', () => {
    const paths = [...sources, ...files.filter((path) => /^bench\/.*\.ts$/.test(path))]
    expect(offenders(paths, (path) => (/^(#!.*\n)?\/\*\*/.test(read(path)) ? [] : ['no comment at its head']))).toEqual([])
  })

  it('imports to the left only', () => {
    const found = offenders(sources, (path) => {
      const own = rooms.indexOf(path.split('/')[0])
      return importsOf(path).filter((target) => {
        const room = rooms.indexOf(target.split('/')[0])
        return room < 0 ? target !== 'package.json' : room > own
      })
    })
    expect(found).toEqual([])
  })

  it('has no circle of imports, of types neither', () => {
    const done = new Set<string>()
    const circles: string[] = []
    const visit = (path: string, above: readonly string[]): void => {
      if (above.includes(path)) circles.push([...above.slice(above.indexOf(path)), path].join(' → '))
      if (above.includes(path) || done.has(path)) return
      for (const target of importsOf(path)) if (sources.includes(target)) visit(target, [...above, path])
      done.add(path)
    }
    for (const path of sources) visit(path, [])
    expect(circles).toEqual([])
  })

  it('lets parts of the server know only what they need', () => {
    const found = offenders(sources, (path) => {
      const known = Object.entries(knownTo).find(([part]) => path.startsWith(part))?.[1]
      return importsOf(path).filter((target) => {
        // Only who builds the whole server knows it as a whole; all others name the parts that they need.
        if (target === 'server/server.ts') return path !== 'server/main.ts'
        return known !== undefined && target.startsWith('server/') && !known.some((part) => target.startsWith(part))
      })
    })
    expect(found).toEqual([])
  })

  it('keeps the engine free of modules of Node and of waiting', () => {
    const engine = sources.filter((path) => path.startsWith('engine/'))
    const impure = /from '(?!\.)[^']*'|\basync\b|\bawait\b/g
    expect(offenders(engine, (path) => withoutComments(read(path)).match(impure) ?? [])).toEqual([])
  })

  it('takes time, chance and the process from ports', () => {
    const paths = sources.filter((path) => !path.startsWith('server/tools/'))
    const found = offenders(paths, (path) => {
      const used = new Set(withoutComments(read(path)).match(worldlyNames) ?? [])
      return [...used].filter((name) => !(worldly[path] ?? []).includes(name))
    })
    expect(found).toEqual([])
  })

  it('allows the world only where it is used', () => {
    const unused = Object.entries(worldly).flatMap(([path, names]) => {
      const text = existsSync(join(root, path)) ? withoutComments(read(path)) : ''
      return names.filter((name) => !new RegExp(`\\b${name}\\b`).test(text)).map((name) => `${path}: ${name}`)
    })
    expect(unused).toEqual([])
  })

  it('takes the chance of tests from their one seed', () => {
    const paths = files.filter((path) => /^test\/.*\.ts$/.test(path) && !drawsFreshSeeds.includes(path))
    const other = /\bMath\.random\b|\bSystemRandom\b|import \{[^}]*\brandom\w*[^}]*\} from 'node:crypto'|process\.env\.MORAINE_TEST_SEED/g
    expect(offenders(paths, (path) => withoutComments(read(path)).match(other) ?? [])).toEqual([])
  })

  it('skips no test without a reason', () => {
    const paths = files.filter((path) => /^test\/.*\.ts$/.test(path) && path !== 'test/needs.ts')
    const silent = /\b(?:describe|it|test)\.(?:skip|skipIf|runIf|only|todo)\b/g
    expect(offenders(paths, (path) => withoutComments(read(path)).match(silent) ?? [])).toEqual([])
  })

  it('has no notes to self', () => {
    const notes = new RegExp(['TO', 'DO|FIX', 'ME'].join(''), 'g')
    const texts = files.filter((path) => /\.(ts|mjs|md|json)$/.test(path))
    expect(offenders(texts, (path) => read(path).match(notes) ?? [])).toEqual([])
  })

  it('names no path of one machine', () => {
    const local = /(?<![\w.])\/(tmp|work|root|home)\/\w*/g
    const texts = files.filter((path) => /\.(ts|mjs|md|json|sh)$/.test(path) && !path.startsWith('test/') && path !== 'package-lock.json')
    expect(offenders(texts, (path) => read(path).match(local) ?? [])).toEqual([])
  })
})

describe('pages about the code', () => {
  const pages = ['docs/ARCHITECTURE.md', 'docs/walkthrough.md', 'docs/tiering.md', 'docs/TESTING.md']
  const named = /`([\w/-]+\.c?ts)`/g

  it('name files that are there', () => {
    const missing = (path: string): string[] => {
      return [...read(path).matchAll(named)]
        .map(([, file]) => file)
        .filter((file) => !files.some((each) => `/${each}`.endsWith(`/${file}`)))
    }
    expect(offenders(pages, missing)).toEqual([])
  })

  it('give an hour of reading, not more', () => {
    const chapter = /## An hour of reading\n([\s\S]*?)\n## /.exec(read('docs/ARCHITECTURE.md'))?.[1] ?? ''
    const list = [...chapter.matchAll(named)].map(([, file]) => file)
    const lines = list.reduce((sum, file) => sum + read(file).split('\n').length, 0)
    expect(list.length).toBeGreaterThan(8)
    expect(lines).toBeLessThanOrEqual(3000)
  })
})

describe('generated pages', () => {
  it.each(docPages.map((page) => [page.path, page] as const))('%s is fresh (npm run docs)', (path, page) => {
    expect(existsSync(join(root, path)) ? read(path) : '').toBe(page.render())
  })
})
