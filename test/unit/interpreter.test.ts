/** What an interpreter does where nothing of Lua's own would catch an error, and with tables that it writes and reads where they lie. */
import { describe, expect, it } from 'vitest'
import { Arguments } from '../../engine/arguments.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import { Interpreter } from '../../server/scripting/interpreter.ts'
import { ReplyMaker } from '../../server/scripting/reply-maker.ts'
import { ReplyReader } from '../../server/scripting/reply-reader.ts'

const host = { call: () => 0, refusalOf: () => undefined, setProtocol: () => undefined, log: () => undefined }
const megabyte = 1024 * 1024

function answerOf(interpreter: Interpreter, script: string, ...args: readonly (string | Buffer)[]): string {
  const compiled = interpreter.compile(Buffer.from(script), 0, '@script')
  if (typeof compiled === 'string') return compiled
  const given = Arguments.of(...args)
  if (interpreter.run(compiled, given, 0, 0) !== 'done') return interpreter.failure.text
  const reply = new ReplyWriter()
  interpreter.use(() => new ReplyMaker(interpreter.lua).write(interpreter.thread, reply))
  interpreter.end()
  return reply.output.takeAll().toString('latin1')
}

describe('an interpreter', () => {
  it('is lost when it has no memory for the arguments, and says so', () => {
    const interpreter = new Interpreter(32 * megabyte, host)
    expect(answerOf(interpreter, 'return #ARGV[1]', Buffer.alloc(megabyte, 'x'))).toBe(`:${megabyte}\r\n`)
    expect(interpreter.isLost).toBe(false)
    expect(answerOf(interpreter, 'return #ARGV[1]', Buffer.alloc(64 * megabyte, 'x'))).toBe('ERR not enough memory')
    expect(interpreter.isLost).toBe(true)
  })

  it('is not lost when a script has no memory', () => {
    const interpreter = new Interpreter(32 * megabyte, host)
    expect(answerOf(interpreter, "local t = {} for i = 1, 100 do t[i] = string.rep('x', 1000000) .. i end return #t")).toMatch(
      /not enough memory/,
    )
    expect(interpreter.isLost).toBe(false)
  })

  it('takes many arguments, and tables of all shapes', () => {
    const interpreter = new Interpreter(64 * megabyte, host)
    const many = Array.from({ length: 3000 }, (_, i) => `a${i}`)
    for (const count of [0, 1, 16, 17, 1000, 1001, 3000]) {
      const given = many.slice(0, count)
      const expected = `*${count}\r\n${given.map((each) => `$${each.length}\r\n${each}\r\n`).join('')}`
      expect(answerOf(interpreter, 'return ARGV', ...given)).toBe(expected)
    }
    expect(answerOf(interpreter, 'return {1, {}, {2, {3, "x", false, true}}, nil, 5}')).toBe(
      '*3\r\n:1\r\n*0\r\n*2\r\n:2\r\n*4\r\n:3\r\n$1\r\nx\r\n$-1\r\n:1\r\n',
    )
    expect(answerOf(interpreter, 'return {1, {ok = "fine"}, {2, x = 1}}')).toBe('*3\r\n:1\r\n+fine\r\n*1\r\n:2\r\n')
    expect(answerOf(interpreter, 'local t = {} t[1] = t return t')).toBe(`${'*1\r\n'.repeat(7995)}-ERR reached lua stack limit\r\n`)
    expect(answerOf(interpreter, 'local t = {x = 1} t[1] = t return t')).toBe(`${'*1\r\n'.repeat(7995)}-ERR reached lua stack limit\r\n`)
    expect(answerOf(interpreter, 'local t = {map = {}} t.map.a = t return t')).toMatch(
      /^(\*2\r\n\$1\r\na\r\n){1000}-ERR reached lua stack limit\r\n$/,
    )
  })

  it('refuses what is nested more deeply than its own stack could follow', () => {
    const interpreter = new Interpreter(64 * megabyte, host)
    const fails = (call: string, text: RegExp) => expect(answerOf(interpreter, `return {pcall(function() ${call} end)}`)).toMatch(text)
    fails("return cmsgpack.unpack(string.rep('\\145', 100000))", /stack overflow \(in function mp_decode_to_lua_array\)/)
    fails("return cmsgpack.unpack(string.rep('\\129', 100000))", /stack overflow \(in function mp_decode_to_lua_hash\)/)
    fails("cjson.decode_max_depth(1000000) cjson.decode(string.rep('[', 100000))", /Found too many nested data structures \(1001\)/)
    fails('cjson.encode_max_depth(1000000) local t = {} t[1] = t cjson.encode(t)', /Cannot serialise, excessive nesting \(1001\)/)
    expect(answerOf(interpreter, "return cjson.encode(cmsgpack.unpack(string.rep('\\145', 900) .. '\\7'))")).toBe(
      `$1801\r\n${'['.repeat(900)}7${']'.repeat(900)}\r\n`,
    )
  })

  it('unpacks numbers of all sizes, as Redis does', () => {
    const interpreter = new Interpreter(64 * megabyte, host)
    const packed = [
      '\\7',
      '\\255',
      '\\204\\200',
      '\\205\\1\\2',
      '\\206\\255\\0\\0\\1',
      '\\208\\128',
      '\\209\\255\\0',
      '\\210\\128\\0\\0\\0',
    ]
    packed.push(
      '\\207\\0\\0\\1\\0\\0\\0\\0\\0',
      '\\211\\255\\255\\255\\255\\255\\255\\255\\254',
      '\\202\\63\\192\\0\\0',
      '\\203\\192\\4\\0\\0\\0\\0\\0\\0',
    )
    expect(answerOf(interpreter, `return table.concat({cmsgpack.unpack('${packed.join('')}')}, ' ')`).split('\r\n')[1]).toBe(
      '7 -1 200 258 4278190081 -128 -256 -2147483648 1099511627776 -2 1.5 -2.5',
    )
  })

  it('turns arrays of any length into tables while garbage is collected', () => {
    const interpreter = new Interpreter(64 * megabyte, host)
    const { lua } = interpreter
    const reader = new ReplyReader(lua)
    for (const length of [0, 3, 16, 17, 999, 1000, 1001, 2500]) {
      const inner = '*3\r\n:7\r\n$-1\r\n$5\r\nhello\r\n'
      const reply = `*${length + 1}\r\n${Array.from({ length }, (_, i) => `$${String(i).length}\r\n${i}\r\n`).join('')}${inner}`
      interpreter.use((state) => {
        reader.push(state, Buffer.from(reply), 0)
        lua.collectGarbage()
        const writer = new ReplyWriter()
        new ReplyMaker(lua).write(state, writer)
        expect(writer.output.takeAll().toString('latin1')).toBe(reply)
      })
    }
  })
})
