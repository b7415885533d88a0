/** Reading, changing and rewriting the configuration, without a server. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Config } from '../../server/config/config.ts'
import { textInstead } from '../../server/config/help.ts'
import { ConfigError, loadConfig, parseCommandLine, rewriteConfigFile } from '../../server/config/load.ts'
import { memoryText, parseMemory, quoted } from '../../server/config/setting.ts'
import { splitWords } from '../../server/config/words.ts'

function load(files: Record<string, string>, ...argv: string[]) {
  const readText = (path: string) => {
    const text = files[path]
    if (text === undefined) throw Object.assign(new Error('missing'), { code: 'ENOENT' })
    return text
  }
  return loadConfig(argv, '1.2.3', readText)
}

function problemOf(work: () => unknown): string {
  try {
    work()
  } catch (problem) {
    if (problem instanceof ConfigError) return problem.message
    throw problem
  }
  throw new Error('nothing was refused')
}

describe('words of a line', () => {
  it.each([
    ['a  b\tc', ['a', 'b', 'c']],
    ['a "b c" \'d e\'', ['a', 'b c', 'd e']],
    ['"\\x41\\n\\"\\\\"', ['A\n"\\']],
    ["'it\\'s' '\\n'", ["it's", '\\n']],
    ['pre"fix"', ['prefix']],
    ['"" é "\\xc3\\xa9"', ['', 'é', 'é']],
    ['', []],
  ])('%s', (line, words) => {
    expect(splitWords(line)).toEqual(words)
  })

  it.each(['"a', "'a", '"a"b', '"a\\"'])('%s is unbalanced', (line) => {
    expect(splitWords(line)).toBeUndefined()
  })

  it('reads back what it quotes', () => {
    const value = 'a "b"\\ \n\r\t\b\x07\x01 é\u{1f40b}'
    expect(splitWords(quoted(value))).toEqual([value])
  })
})

describe('memory sizes', () => {
  it.each([
    ['10', 10n],
    ['10b', 10n],
    ['1k', 1000n],
    ['1KB', 1024n],
    ['1m', 1_000_000n],
    ['1mb', 1_048_576n],
    ['1g', 1_000_000_000n],
    ['2Gb', 2_147_483_648n],
    ['-1', undefined],
    ['1.5gb', undefined],
    ['1kib', undefined],
    ['mb', undefined],
    ['99999999999gb', undefined],
  ])('%s', (word, bytes) => {
    expect(parseMemory(word)).toBe(bytes)
  })

  it('are written with the greatest unit that divides them', () => {
    expect([0, 1000, 2048, 5 * 1024 ** 2, 3 * 1024 ** 3].map(memoryText)).toEqual(['0', '1000', '2kb', '5mb', '3gb'])
  })
})

describe('loading', () => {
  it('has defaults that are durable and tiered', () => {
    const { values, path } = load({})
    expect(path).toBeUndefined()
    expect(values).toMatchObject({
      port: 6379,
      appendonly: true,
      appendfsync: 'always',
      'tier-enabled': true,
      dir: resolve('data'),
      maxmemory: 0,
    })
  })

  it('reads a file, then what it includes, then the command line', () => {
    const files = { 'a.conf': '# comment\n\nport 7000\nmaxmemory 1gb\ninclude b.conf\n', 'b.conf': 'maxmemory 2gb\ntimeout 5' }
    const { values } = load(files, 'a.conf', '--timeout', '9', '--requirepass', 'a "b"', '--bind', '127.0.0.1', '::1')
    expect(values).toMatchObject({ port: 7000, maxmemory: 2 * 1024 ** 3, timeout: 9, requirepass: 'a "b"', bind: '127.0.0.1 ::1' })
  })

  it('adds up save points and output-buffer limits of several lines', () => {
    const { values } = load({ 'a.conf': 'save 900 1\nsave 60 100\nclient-output-buffer-limit pubsub 1mb 1k 1\n' }, 'a.conf')
    expect(values.save).toBe('900 1 60 100')
    expect(values['client-output-buffer-limit']).toMatchObject({
      normal: { hardBytes: 0 },
      pubsub: { hardBytes: 1048576, softBytes: 1000, softSeconds: 1 },
    })
  })

  it.each([
    ['port 1\nfoo bar', 2, 'foo bar', 'Bad directive or wrong number of arguments'],
    ['hz "10', 1, 'hz "10', 'Unbalanced quotes in configuration line'],
    ['  hz 10 20  ', 1, 'hz 10 20', 'wrong number of arguments'],
    ['hz', 1, 'hz', 'wrong number of arguments'],
    ['include a b', 1, 'include a b', 'Bad directive or wrong number of arguments'],
    ['replicaof host 1', 1, 'replicaof host 1', 'wrong number of arguments'],
    ['daemonize yes', 1, 'daemonize yes', "only 'no' is supported: run it in the foreground under a supervisor"],
    ['maxmemory 1xb', 1, 'maxmemory 1xb', 'argument must be a memory value'],
  ])('refuses %j with its line', (text, line, shown, problem) => {
    expect(problemOf(() => load({ 'a.conf': text }, 'a.conf'))).toBe(
      `*** FATAL CONFIG FILE ERROR (Moraine 1.2.3) ***\nReading the configuration file, at line ${line}\n>>> '${shown}'\n${problem}`,
    )
  })

  it('refuses settings that contradict each other', () => {
    expect(problemOf(() => load({}, '--tier-drop-percent', '50'))).toContain('tier-cool-start-percent must not exceed tier-drop-percent')
  })

  it('refuses files that are missing or include themselves, and stray words', () => {
    expect(problemOf(() => load({}, 'nowhere.conf'))).toBe("Fatal error, can't open config file 'nowhere.conf': No such file or directory")
    expect(problemOf(() => load({ a: 'include a' }, 'a'))).toContain('Includes are nested too deeply')
    expect(problemOf(() => parseCommandLine(['-x']))).toContain("found '-x'")
  })

  it('answers --help and --version instead of serving', () => {
    expect(textInstead(['--help'], '1.2.3')).toContain('Usage: moraine')
    expect(textInstead(['-v'], '1.2.3')).toContain('v=1.2.3')
    expect(textInstead(['--port', '1'], '1.2.3')).toBeUndefined()
  })
})

describe('CONFIG SET', () => {
  it('changes nothing when one of several is wrong', () => {
    const config = new Config()
    expect(
      config.set([
        ['timeout', '5'],
        ['hz', 'x'],
      ]),
    ).toMatch(/possibly related to argument 'hz'/)
    expect(config.values.timeout).toBe(0)
  })

  it('tells subscribers what changed, and only that', () => {
    const config = new Config()
    const told: unknown[] = []
    config.onChange('timeout', (value, previous) => void told.push(value, previous) as undefined)
    expect(config.set([['timeout', '5']])).toBeUndefined()
    config.set([['timeout', '5']])
    config.set([['hz', '20']])
    expect(told).toEqual([5, 0])
  })

  it('goes back when a subscriber refuses', () => {
    const config = new Config()
    const timeouts: number[] = []
    config.onChange('timeout', (value) => void timeouts.push(value) as undefined)
    config.onChange('maxclients', (value) => (value > 20000 ? 'too many for this machine' : undefined))
    expect(
      config.set([
        ['timeout', '5'],
        ['maxclients', '30000'],
      ]),
    ).toBe("ERR CONFIG SET failed (possibly related to argument 'maxclients') - too many for this machine")
    expect(config.values).toMatchObject({ timeout: 0, maxclients: 10000 })
    expect(timeouts).toEqual([5, 0])
  })

  it('keeps the order of the tier’s thresholds', () => {
    const config = new Config()
    expect(config.set([['tier-drop-percent', '50']])).toContain('must not exceed')
    expect(
      config.set([
        ['tier-drop-percent', '50'],
        ['tier-cool-start-percent', '40'],
      ]),
    ).toBeUndefined()
  })

  it('takes older names', () => {
    const config = new Config()
    expect(config.set([['hash-max-ziplist-entries', '7']])).toBeUndefined()
    expect(config.get(['hash-max-*-entries'])).toEqual([
      ['hash-max-listpack-entries', '7'],
      ['hash-max-ziplist-entries', '7'],
    ])
  })
})

describe('CONFIG REWRITE', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'moraine-config-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('keeps comments and order, replaces lines, appends what is new', () => {
    const before = '# mine\nport 7000\n\n\n# memory\nmaxmemory 100mb\nhz 10\nhz 15\nrequirepass "a b"\ninclude x.conf\nunheard of\n'
    const config = new Config({ port: 7000, requirepass: 'a b' })
    config.set([
      ['maxmemory', '2048'],
      ['timeout', '7'],
      ['requirepass', ''],
      ['hz', '20'],
    ])
    const after = config.rewrite(before)
    expect(after).toBe(
      '# mine\nport 7000\n\n# memory\nmaxmemory 2kb\nhz 20\n\ninclude x.conf\nunheard of\n\n# Generated by CONFIG REWRITE\ntimeout 7\n',
    )
    expect(config.rewrite(after)).toBe(after)
    config.set([['slowlog-max-len', '5']])
    expect(config.rewrite(after)).toBe(`${after}slowlog-max-len 5\n`)
  })

  it('writes what it can read back', () => {
    const config = new Config()
    const pairs: [string, string][] = [
      ['requirepass', 'x"\n\x01é'],
      ['maxmemory-clients', '5%'],
      ['save', '900 1 60 100'],
      ['client-output-buffer-limit', 'pubsub 1mb 1000 1'],
      ['latency-tracking-info-percentiles', ''],
      ['notify-keyspace-events', 'KEA'],
      ['slowlog-log-slower-than', '-1'],
      ['slowlog-max-len', '9223372036854775807'],
    ]
    expect(config.set(pairs)).toBeUndefined()
    const inForce = { ...config.values, dir: resolve('data') }
    expect(load({ a: config.rewrite('') }, 'a').values).toEqual(inForce)
    expect(load({ a: config.rewrite('save 1 1\nsave 2 2\nrequirepass z\n') }, 'a').values).toEqual(inForce)
  })

  it('replaces the file in one step', async () => {
    const path = join(folder, 'moraine.conf')
    await writeFile(path, 'hz 10\n')
    const config = new Config({}, path)
    config.set([['hz', '50']])
    await rewriteConfigFile(config, path)
    expect(await readFile(path, 'utf8')).toBe('hz 50\n')
    expect(await readdir(folder)).toEqual(['moraine.conf'])
  })
})
