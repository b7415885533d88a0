/** Random scripts beside redis-server: values through the libraries, commands with errors in the middle, what is answered. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { chance, testRuns } from '../chance.ts'
import { encodeRequest } from '../commands/notation.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startMoraine, startRedis } from '../integration/processes.ts'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'

const random = chance(40)

function below(n: number): number {
  return random.nextUint32() % n
}

function oneOf<T>(choices: readonly T[]): T {
  return choices[below(choices.length)] as T
}

/** A text in Lua's notation, of any bytes from `first` on. */
function text(lengthMax: number, first = 0): string {
  const bytes = Array.from({ length: below(lengthMax + 1) }, () => first + below(256 - first))
  return `"${bytes.map((byte) => `\\${String(byte).padStart(3, '0')}`).join('')}"`
}

const numbers = ['0', '-0', '1', '-1', '31', '32', '-32', '-33', '127', '128', '255', '256', '-128', '-129', '65535', '65536', '-32769']
const largeNumbers = ['2147483647', '2147483648', '4294967296', '9007199254740992', '-2147483649', '1e15', '1e14', '1e100', '-1e-7', '1/0']

function number(): string {
  const kind = below(4)
  if (kind === 0) return oneOf(numbers)
  if (kind === 1) return oneOf(largeNumbers)
  return String((below(2_000_000) - 1_000_000) / (kind === 2 ? 1 : 10 ** below(9)))
}

function value(depth: number): string {
  const kind = below(depth > 0 ? 8 : 5)
  if (kind < 2) return text(40)
  if (kind < 4) return number()
  if (kind === 4) return oneOf(['true', 'false', 'nil'])
  if (kind < 7) return `{${Array.from({ length: below(6) }, () => value(depth - 1)).join(',')}}`
  const key = (): string => oneOf([() => `["${String.fromCharCode(97 + below(26))}"]`, () => `[${below(20) - 3}]`, () => '[1.5]'])()
  return `{${Array.from({ length: below(5) }, () => `${key()}=${value(depth - 1)}`).join(',')}}`
}

/** A format of `struct`, and values for it. */
function packed(): { readonly format: string; readonly values: string } {
  let format = ''
  let values = ''
  for (let i = below(6); i > 0; i--) {
    const option = oneOf([...'bBhHlLTiIfdscx<> !'])
    format += option
    if (option === '!') format += oneOf(['', '1', '2', '4', '8', '3'])
    if (option === 'i' || option === 'I') format += oneOf(['', '1', '2', '3', '4', '8'])
    if (option === 'c') format += oneOf(['0', '3', '5', ''])
    if ('bBhHlLTiIfd'.includes(option))
      values += `,${oneOf(['0', '1', '-1', '127', '255', '65535', '1099511627776', '-2147483648', '0.5'])}`
    if ('sc'.includes(option)) values += `,${text(8, 1)}`
  }
  return { format, values }
}

const show = "for i = 1, #t do t[i] = type(t[i]) == 'table' and 'table' or tostring(t[i]) end return t"

function libraryScript(): string {
  const { format, values } = packed()
  return oneOf([
    () => `return cjson.encode(${value(3)})`,
    () => `return cjson.encode(cjson.decode(cjson.encode(${value(3)})))`,
    () => `return cmsgpack.pack(${value(3)},${value(1)})`,
    () => `return cmsgpack.pack(cmsgpack.unpack(cmsgpack.pack(${value(3)})))`,
    () => `local t = {cmsgpack.unpack(${text(12)})} ${show}`,
    () => `return struct.pack("${format}"${values})`,
    () => `return struct.size("${format}")`,
    () => `local t = {struct.unpack("${format}",${text(40)})} ${show}`,
    () => `return bit.${oneOf(['band', 'bor', 'bxor', 'lshift', 'rshift', 'arshift', 'rol', 'ror'])}(${number()},${number()})`,
    () => `return bit.${oneOf(['tobit', 'bnot', 'bswap', 'tohex'])}(${number()})`,
    () => `return string.format("${oneOf(['%d', '%5d', '%-8d|', '%08d', '%+d', '%x', '%X', '%u', '%.3f', '%g', '%q'])}",${number()})`,
    () => `return ${value(3)}`,
    () => `return {${value(2)},{ok="x"},{err="E x"},${value(1)}}`,
  ])()
}

function commandScript(): string {
  const key = (): string => `"k${below(4)}"`
  const call = (): string => {
    const name = oneOf(['call', 'call', 'pcall'])
    return oneOf([
      () => `redis.${name}("SET",${key()},${oneOf([number(), text(6)])})`,
      () => `redis.${name}("INCR",${key()})`,
      () => `redis.${name}("APPEND",${key()},${text(4)})`,
      () => `redis.${name}("HSET",${key()},"f",${number()})`,
      () => `redis.${name}("HGETALL",${key()})`,
      () => `redis.${name}("GET",${key()})`,
      () => `redis.${name}("DEL",${key()})`,
      () => `redis.${name}("GET")`,
      () => `redis.${name}("NOSUCH",${key()})`,
      () => `redis.${name}("MGET",${key()},${key()})`,
    ])()
  }
  const steps = Array.from({ length: below(5) }, () =>
    oneOf([
      () => call(),
      () => `pcall(function() ${call()} end)`,
      () => 'redis.setresp(3)',
      () => `if redis.call("EXISTS",${key()}) == 1 then ${call()} end`,
    ])(),
  )
  return `${steps.map((step) => `${step}\n`).join('')}return ${call()}`
}

describeWith([redisServer, builtMoraine], 'random scripts beside redis-server', () => {
  const servers: ServerProcess[] = []
  const targets: SocketTarget[] = []

  beforeAll(async () => {
    servers.push(await startRedis(), await startMoraine('--appendfsync', 'no'))
    targets.push(new SocketTarget('redis', servers[0]?.port ?? 0), new SocketTarget('moraine', servers[1]?.port ?? 0))
  })

  afterAll(async () => {
    for (const target of targets) await target.close()
    for (const server of servers) await server.stop()
  })

  async function compare(script: string): Promise<void> {
    const replies: string[] = []
    for (const target of targets) {
      await target.send('a', encodeRequest(['EVAL', script, '0'].map((part) => Buffer.from(part, 'latin1'))))
      const received = await target.receive('a')
      replies.push(received === 'closed' ? 'closed' : received.raw.toString('latin1'))
    }
    expect(replies[1], script).toBe(replies[0])
  }

  it('libraries and values', async () => {
    for (let i = testRuns(1500); i > 0; i--) await compare(libraryScript())
  })

  it('commands and their errors', async () => {
    for (let i = testRuns(600); i > 0; i--) await compare(commandScript())
  })
})
