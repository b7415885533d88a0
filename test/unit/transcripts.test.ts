/** The transcripts' own tools: notation, decoder, parser, comparison, and that no command was forgotten. */
import { describe, expect, it } from 'vitest'
import { ownCommands, redisCommands } from '../commands/commands-in-scope.ts'
import { encode, encodeRequest, format, formatInline, parseReplies, quote, splitArguments } from '../commands/notation.ts'
import type { Decoded, Reply } from '../commands/resp-decoder.ts'
import { RespDecoder } from '../commands/resp-decoder.ts'
import type { Received, Target } from '../commands/transcript.ts'
import { loadTranscripts, parseTranscript, runSection, sorted } from '../commands/transcript.ts'

const everything =
  '*3\r\n%1\r\n+k\r\n~2\r\n:-1\r\n$-1\r\n>2\r\n$5\r\na"\r\n\\\r\n_\r\n*9\r\n-ERR no, [it] {is} not\r\n+OK\r\n,1.5e-7\r\n#t\r\n#f\r\n(-123456789012345678901234567890\r\n=5\r\ntxt:x\r\n*-1\r\n$0\r\n\r\n'

function decode(bytes: Buffer): Reply {
  const decoder = new RespDecoder()
  decoder.push(bytes)
  const decoded = decoder.next()
  expect(decoded?.raw).toEqual(bytes)
  return (decoded as Decoded).reply
}

describe('decoder', () => {
  it('decodes every type at every split of the bytes', () => {
    const bytes = Buffer.from(everything)
    for (let split = 1; split < bytes.length; split++) {
      const decoder = new RespDecoder()
      decoder.push(bytes.subarray(0, split))
      expect(decoder.next()).toBeUndefined()
      decoder.push(bytes.subarray(split))
      expect(decoder.next()?.raw).toEqual(bytes)
      expect(decoder.undecodedBytes).toBe(0)
    }
  })

  it.each(['hello\r\n', '$3\r\nabcd\r\n', '*-2\r\n', '$-1x\r\n', '$01\r\na\r\n', '%-1\r\n', '_x\r\n', '\r\n'])('refuses %j', (bytes) => {
    const decoder = new RespDecoder()
    decoder.push(Buffer.from(bytes))
    expect(() => decoder.next()).toThrow()
  })
})

describe('notation', () => {
  it('writes and reads every type without loss', () => {
    const reply = decode(Buffer.from(everything))
    for (const text of [format(reply), formatInline(reply)]) {
      const parsed = parseReplies(text)
      expect(parsed).toHaveLength(1)
      expect(encode(parsed[0] as Reply).toString()).toBe(everything)
    }
  })

  it('shows top-level errors and statuses as they are, unless that would lose bytes', () => {
    const lines = ["-ERR unknown command 'x y'\r\n", '+\r\n', '-ERR ends with a blank \r\n', '+"quoted"\r\n', '-a\\b\r\n', '+\xff\r\n']
    for (const line of lines) {
      const bytes = Buffer.from(line, 'latin1')
      expect(encode(parseReplies(format(decode(bytes)))[0] as Reply)).toEqual(bytes)
    }
    expect(format(decode(Buffer.from(lines[0] as string)))).toBe("-ERR unknown command 'x y'")
  })

  it('splits requests as redis-cli does', () => {
    expect(splitArguments(`SET "a b\\x00\\n" 'it\\'s \\n' "" é`)).toEqual(
      ['SET', 'a b\x00\n', "it's \\n", '', 'é'].map((part) => Buffer.from(part)),
    )
    expect(() => splitArguments('SET "a')).toThrow('unbalanced quotes')
    const all = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
    expect(splitArguments(quote(all))).toEqual([all])
    expect(encodeRequest([Buffer.from('GET'), Buffer.from('')]).toString()).toBe('*2\r\n$3\r\nGET\r\n$0\r\n\r\n')
  })

  it('sorts for comparison without mixing types or pairs', () => {
    const text = (source: string, order: 'any' | 'pairs'): string => sorted(parseReplies(source)[0] as Reply, order)
    expect(text('["b" "a"]', 'any')).toBe(text('["a" "b"]', 'any'))
    expect(text('["b" "a"]', 'any')).not.toBe(text('["b" :1]', 'any'))
    expect(text('["a" "1" "b" "2"]', 'pairs')).toBe(text('["b" "2" "a" "1"]', 'pairs'))
    expect(text('["a" "1" "b" "2"]', 'pairs')).not.toBe(text('["a" "2" "b" "1"]', 'pairs'))
    expect(text('{"a" => :1 "b" => :2}', 'any')).not.toBe(text('{"a" => :2 "b" => :1}', 'any'))
  })
})

/** Answers each request with the next of the given replies; keeps what it was sent. */
class ScriptedTarget implements Target {
  readonly product = 'redis'
  readonly sent: string[] = []
  advancedMs = 0
  readonly #replies: Received[]

  constructor(replies: readonly string[]) {
    this.#replies = replies.map((text) => (text === 'closed' ? 'closed' : decodeLine(text)))
  }

  async send(connection: string, request: Uint8Array): Promise<void> {
    this.sent.push(`${connection} ${Buffer.from(request).toString()}`)
  }

  async receive(): Promise<Received> {
    const next = this.#replies.shift()
    if (next === undefined) throw new Error('no more replies')
    return next
  }

  unreceived(): number {
    return this.#replies.length
  }

  async reset(): Promise<void> {}

  async advance(ms: number): Promise<void> {
    this.advancedMs += ms
  }

  async close(): Promise<void> {}
}

function decodeLine(text: string): Decoded {
  const raw = encode(parseReplies(text)[0] as Reply)
  return { reply: decode(raw), raw }
}

async function outcome(
  transcript: string,
  ...replies: readonly string[]
): Promise<{ target: ScriptedTarget; mismatches: readonly string[] }> {
  const target = new ScriptedTarget(replies)
  const section = parseTranscript('x.txt', `[GET] title\n${transcript}`).sections[0]
  if (section === undefined) throw new Error('no section')
  return { target, mismatches: (await runSection(target, section)).map(({ actual }) => actual) }
}

describe('transcript', () => {
  it('accepts what is expected and reports what is not', async () => {
    expect((await outcome('> GET k\n"v"', '"v"')).mismatches).toEqual([])
    expect((await outcome('> GET k\n"v"', '+v')).mismatches).toEqual(['+v'])
    expect((await outcome('> GET k\nnil', 'null')).mismatches).toEqual(['null'])
    expect((await outcome('> GET k\n"v"', '"v"', '"more"')).mismatches).toEqual(['"more"'])
    expect((await outcome('> QUIT\n+OK\n(closed)', '+OK', 'closed')).mismatches).toEqual([])
    expect((await outcome('> QUIT\n+OK', 'closed')).mismatches).toEqual(['(closed)'])
    expect((await outcome('> GET k\n"v"')).mismatches).toEqual(['(no more replies)'])
  })

  it('obeys its directives', async () => {
    expect((await outcome('~unordered\n> KEYS *\n["a" "b"]', '["b" "a"]')).mismatches).toEqual([])
    expect((await outcome('> KEYS *\n["a" "b"]', '["b" "a"]')).mismatches).toHaveLength(1)
    expect((await outcome('~match :\\d+\n> TTL k', ':12')).mismatches).toEqual([])
    expect((await outcome('~match :\\d\n> TTL k', ':12')).mismatches).toEqual([':12'])
    expect((await outcome('~until :2\n> INCR k', ':0', ':1', ':2')).mismatches).toEqual([])
    expect((await outcome('> CLIENT REPLY OFF\n(nothing)')).mismatches).toEqual([])
    expect((await outcome('~moraine-only reason\n> GET k\nnil')).target.sent).toEqual([])
    expect((await outcome('~advance 15ms\n~advance 5ms')).target.advancedMs).toBe(20)
    const { target, mismatches } = await outcome('~for 1..2\n> DEL {i}\n:1\n@b >> "PING{a*3}"\n+PONG', ':1', ':1', '+PONG')
    expect(mismatches).toEqual([])
    expect(target.sent).toEqual(['a *2\r\n$3\r\nDEL\r\n$1\r\n1\r\n', 'a *2\r\n$3\r\nDEL\r\n$1\r\n2\r\n', 'b PINGaaa'])
  })

  it.each(['"v"', '[GET] t\n~redis-only', '[GET] t\n~nonsense', '> GET k', '[GET] t\n~advance 5'])('refuses %j', (text) => {
    expect(() => parseTranscript('x.txt', text)).toThrow(/^x\.txt:\d: /)
  })

  it('covers every command', () => {
    const sections = loadTranscripts(new URL('../commands/', import.meta.url)).flatMap(({ sections }) => sections)
    const covered = new Set(sections.flatMap(({ commands }) => commands))
    const missing = [...redisCommands, ...ownCommands].filter((name) => !covered.has(name.replace('|', ' ')))
    expect(missing).toEqual([])
    const known = new Set([...redisCommands, ...ownCommands].map((name) => name.replace('|', ' ')))
    expect([...covered].filter((name) => !known.has(name))).toEqual([])
  })
})
