/** Commands on values of 100 MB and hashes of a million fields: how long does everybody else wait? */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { createConnection } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from './context.ts'
import { seededRandom } from './key-choice.ts'
import type { RunningServer } from './processes.ts'
import type { Answer, Question } from './report.ts'
import { barChart } from './svg-chart.ts'
import { decimal, median } from './table.ts'
import { startWaitProbe } from './wait-probe.ts'

const waitMsMax = 20
/** For what setting a case up leaves behind: commits, freeing, the client's own garbage. */
const settleMs = 300

export const stalls: Question = {
  name: 'stalls',
  title: 'Who waits for large values',
  prediction:
    'One client sends a command on a string of 100 MB or a hash of a million fields (43 MB; a tenth of both in a quick run), another sends PING all the time: the longest it waits for PONG. Redis executes a ' +
    `command in one go. Moraine does in slices what takes long, and aims at ${waitMsMax} ms, whatever the size of a value. Both with \`appendfsync always\`.`,
  diskBytes: () => 12e9,
  run: answer,
}

type Part = string | Buffer

interface Case {
  readonly title: string
  readonly before?: readonly (readonly Part[])[]
  readonly command: readonly Part[]
}

function casesFor(bytes: number): Case[] {
  const value = Buffer.alloc(bytes)
  const random = seededRandom(1)
  for (let i = 0; i + 4 <= bytes; i += 64) value.writeUInt32LE(Math.floor(random() * 2 ** 32), i)
  const set = ['SET', 'string', value]
  return [
    { title: 'SET', command: set },
    { title: 'GET', before: [set], command: ['GET', 'string'] },
    { title: 'APPEND', before: [set], command: ['APPEND', 'string', 'more'] },
    { title: 'SETRANGE after GET', before: [set, ['GET', 'string']], command: ['SETRANGE', 'string', '5', 'other'] },
    { title: 'SETBIT far behind', before: [['DEL', 'bits']], command: ['SETBIT', 'bits', `${bytes * 8 - 1}`, '1'] },
    { title: 'BITCOUNT', before: [set], command: ['BITCOUNT', 'string'] },
    { title: 'BITOP AND', before: [set], command: ['BITOP', 'AND', 'result', 'string', 'string'] },
    { title: 'COPY', before: [set, ['DEL', 'copy']], command: ['COPY', 'string', 'copy'] },
    { title: 'RENAME', before: [set], command: ['RENAME', 'string', 'copy'] },
    { title: 'DEL', before: [set], command: ['DEL', 'string'] },
    { title: 'MSET of two', command: ['MSET', 'one', value, 'two', value] },
    { title: 'HSET of one field', before: [['DEL', 'large']], command: ['HSET', 'large', 'field', value] },
    { title: 'HGET of it', command: ['HGET', 'large', 'field'] },
    { title: 'HGETALL', before: [['DEL', 'large']], command: ['HGETALL', 'hash'] },
    { title: 'COPY of the hash', before: [['DEL', 'other']], command: ['COPY', 'hash', 'other'] },
    { title: 'RENAME of the hash', before: [['COPY', 'hash', 'other', 'REPLACE']], command: ['RENAME', 'other', 'third'] },
    { title: 'DEL of the hash', before: [['COPY', 'hash', 'other', 'REPLACE']], command: ['DEL', 'other'] },
  ]
}

async function answer(context: Context): Promise<Answer> {
  const cases = casesFor(context.size(100, 10) * 2 ** 20)
  const repeats = context.size(3, 1)
  const always = ['--appendonly', 'yes', '--appendfsync', 'always']
  const waits: number[][] = []
  const starts = [
    () => context.moraine({ flags: [...always, '--maxmemory', '6gb'] }),
    () => context.redis({ flags: [...always, '--auto-aof-rewrite-percentage', '0'] }),
  ]
  // One after the other: they would need twice the memory together.
  for (const start of starts) waits.push(await waitsBeside(context, await start(), cases, repeats))
  const [moraine, redis] = waits as [number[], number[]]
  const worst = moraine.indexOf(Math.max(...moraine))
  return {
    aims: [
      {
        aim: `nobody waits longer than ${waitMsMax} ms`,
        measured: `${cases.filter((_, i) => moraine[i]! <= waitMsMax).length} of ${cases.length} commands; ${cases[worst]?.title}: ${decimal(moraine[worst], 0)} ms`,
        met: moraine[worst]! <= waitMsMax,
      },
    ],
    tables: [
      {
        title: 'Longest wait of another client, ms',
        columns: ['command', 'Moraine', 'Redis'],
        rows: cases.map(({ title }, i) => [title, decimal(moraine[i], 1), decimal(redis[i], 1)]),
      },
    ],
    charts: [
      {
        name: 'waits',
        title: 'Longest wait of another client',
        svg: barChart({
          title: 'Longest wait for PONG beside a command on a large value',
          unit: 'ms',
          groups: cases.map(({ title }) => title),
          series: [
            { name: 'Moraine', values: moraine },
            { name: 'redis-server', values: redis },
          ],
          limit: { at: waitMsMax, label: `${waitMsMax} ms` },
        }),
      },
    ],
    notes: [
      `The median of ${repeats} rounds. The wait includes what the machine itself adds: a PING of an idle server takes 0.1 ms, and up to a few when both processors are busy.`,
      'The client that sends and receives the values, the one that waits and the server share the processors.',
    ],
  }
}

/** The longest waits beside each of the cases, in ms. */
async function waitsBeside(context: Context, server: RunningServer, cases: readonly Case[], repeats: number): Promise<number[]> {
  const client = await Client.connect(server.port)
  const probe = startWaitProbe(server.port)
  try {
    await fillHash(client, context.size(1_000_000, 100_000))
    const shown = context.progress(`${server.name}: waits`, cases.length * repeats, 'rounds')
    const medians: number[] = []
    for (const [i, { before = [], command }] of cases.entries()) {
      const waits: number[] = []
      for (let repeat = 0; repeat < repeats; repeat++) {
        for (const each of before) await client.send(each)
        await pause(settleMs)
        await probe.worstMs()
        await client.send(command)
        waits.push(await probe.worstMs())
        shown.update(i * repeats + repeat + 1)
      }
      medians.push(median(waits))
    }
    shown.finish()
    return medians
  } finally {
    probe.stop()
    client.close()
    await context.discard(server)
  }
}

async function fillHash(client: Client, fields: number): Promise<void> {
  const batch = 1000
  for (let i = 0; i < fields; i += batch) {
    const pairs = Array.from({ length: batch }, (_, j) => [`field:${i + j}`, `value of the field ${i + j}`])
    await client.send(['HSET', 'hash', ...pairs.flat()])
  }
}

/** One request at a time; of its reply only the end is looked at, and whether it is an error. */
class Client {
  readonly #socket: Socket
  #count = 0

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static async connect(port: number): Promise<Client> {
    const socket = createConnection(port, '127.0.0.1')
    await once(socket, 'connect')
    return new Client(socket)
  }

  send(parts: readonly Part[]): Promise<void> {
    const socket = this.#socket
    const marker = `\r\nthe end of ${++this.#count}\r\n`
    let tail = Buffer.alloc(0)
    let begun = false
    const reply = new Promise<void>((resolve, reject) => {
      const onData = (chunk: Buffer): void => {
        if (!begun && chunk[0] === 0x2d) reject(new Error(`${parts[0]}: ${chunk.toString('latin1').slice(0, 100)}`))
        begun = true
        tail = Buffer.concat([tail, chunk.subarray(-marker.length)]).subarray(-marker.length)
        if (tail.toString('latin1') !== marker) return
        socket.off('data', onData)
        resolve()
      }
      socket.on('data', onData)
    })
    socket.write(`*${parts.length}\r\n`)
    for (const part of parts) {
      socket.write(`$${Buffer.byteLength(part)}\r\n`)
      socket.write(part)
      socket.write('\r\n')
    }
    socket.write(`ECHO "${marker.trim()}"\r\n`)
    return reply
  }

  close(): void {
    this.#socket.destroy()
  }
}
