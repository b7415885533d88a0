/** The tour, shortened: what a newcomer runs first must work, and must fail when a promise is broken. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openCities } from '../../server/tools/real-data/cities.ts'
import { DataMissing, fromPackage, storingRequests } from '../../server/tools/real-data/entry.ts'
import { glossCount, openWordNet, relationCount, wordCount } from '../../server/tools/real-data/wordnet.ts'
import { builtMoraine, describeWith } from '../needs.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe('the real data', () => {
  it('has every gloss and every word of WordNet', async () => {
    const wordNet = await openWordNet()
    const glosses = new Map([...wordNet.glosses()].map((entry) => [entry.key, entry.parts[0]?.values[0]]))
    expect(glosses.size).toBe(glossCount)
    let words = 0
    let missing = 0
    for (const { parts } of wordNet.words()) {
      words++
      for (const sense of parts[0]?.values[1]?.split(' ') ?? []) if (!glosses.has(`gloss:${sense}`)) missing++
    }
    expect(words).toBe(wordCount)
    expect(missing).toBe(0)
    const relations = new Map([...wordNet.relations()].map((entry) => [entry.key, entry.parts[0]?.values]))
    expect(relations.size).toBe(relationCount)
    expect(relations.get('broader:n:02086723')).toContain('n:02085998')
    expect(relations.get('narrower:n:02085998')).toContain('n:02086723')
    expect(glosses.get('gloss:n:00001930')).toBe('an entity that has physical existence')
  })

  it('has every city once', async () => {
    const cities = await openCities()
    const keys = new Set<string>()
    for (const entry of cities.entries()) {
      keys.add(entry.key)
      expect(storingRequests(entry).map(([command]) => command)).toEqual(['HSET', 'GEOADD', 'ZINCRBY', 'XADD'])
    }
    expect(keys.size).toBe(cities.count)
    expect(cities.count).toBeGreaterThan(130_000)
  })
})

it('says what to do when a package is missing', async () => {
  const missing = fromPackage('no-such-words', () =>
    Promise.reject(Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })),
  )
  await expect(missing).rejects.toThrow(DataMissing)
  await expect(missing).rejects.toThrow('the package no-such-words is not installed: run "npm install"')
})

describeWith([builtMoraine], 'npm run tour', () => {
  it('loads, kills, restarts and finds everything', async () => {
    const { code, output } = await run('--quick')
    expect(output).toContain('Killed process')
    expect(output).toMatch(/acknowledged, missing +0\n/)
    expect(output).toMatch(/half a city +0\n/)
    expect(output).toMatch(/countries whose sum is not that of the stream +0\n/)
    expect(output).toMatch(/of these acknowledged before +0\n/)
    expect(output).toContain('it had acknowledged is there, whole')
    expect(code, output).toBe(0)
  })
})

function run(...flags: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'server/tools/tour.ts', ...flags], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      output += text
    })
  }
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
}
