/** PUBLISH to a thousand subscribers of one channel: messages a second, until the last subscriber has the last one, and what the server works for a delivery. */
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Context } from './context.ts'
import { inOrder } from './key-choice.ts'
import { load } from './loader.ts'
import { processorSeconds } from './process-memory.ts'
import type { RunningServer } from './processes.ts'
import type { Comparison } from './rate-comparison.ts'
import { respTemplate } from './requests.ts'
import { median } from './table.ts'

const subscribers = 1000
const channel = 'channel'
const message = 'message:########'
const messageBytes = `*3\r\n$7\r\nmessage\r\n$${channel.length}\r\n${channel}\r\n$${message.length}\r\n${message}\r\n`.length
const requests = respTemplate(['PUBLISH', channel, message])

interface Contender {
  readonly server: RunningServer
  readonly child: ChildProcess
  readonly rates: number[]
  readonly deliveryUs: number[]
}

export interface Published extends Comparison {
  /** Microseconds of processor that the server takes for one delivery. */
  readonly moraineUs: number
  readonly redisUs: number
}

/** A comparison for each pipeline. */
export async function comparePublishing(context: Context, servers: readonly RunningServer[]): Promise<Published[]> {
  const children = servers.map((server) => startSubscribers(server))
  try {
    await Promise.all(children.map((child) => once(child, 'message')))
    const compared: Published[] = []
    for (const pipeline of [1, 16]) {
      const contenders = servers.map((server, i): Contender => ({ server, child: children[i]!, rates: [], deliveryUs: [] }))
      for (let repeat = 0; repeat < context.size(6, 2); repeat++) {
        // The first round is for warming up.
        for (const contender of contenders) await publish(contender, pipeline, context.size(800, 160))
      }
      const [moraine, redis] = contenders as [Contender, Contender]
      compared.push({
        name: `PUBLISH to ${subscribers} subscribers`,
        pipeline,
        moraine: median(moraine.rates.slice(1)),
        redis: median(redis.rates.slice(1)),
        moraineUs: median(moraine.deliveryUs.slice(1)),
        redisUs: median(redis.deliveryUs.slice(1)),
        least: 0.9,
      })
    }
    return compared
  } finally {
    for (const child of children) child.kill()
  }
}

function startSubscribers(server: RunningServer): ChildProcess {
  const file = fileURLToPath(new URL('subscribers.ts', import.meta.url))
  return fork(file, [`${server.port}`, `${subscribers}`, channel, `${messageBytes}`])
}

async function publish({ server, child, rates, deliveryUs }: Contender, pipeline: number, messages: number): Promise<void> {
  const before = processorSeconds(server.pid)
  const startedMs = performance.now()
  const all = once(child, 'message')
  child.send(messages)
  const { errors, firstError } = await load({ port: server.port, connections: 1, pipeline, requests, nextKey: inOrder(0, messages) })
  if (errors > 0) throw new Error(`${server.name} refused a PUBLISH: ${firstError}`)
  await all
  rates.push((messages * 1000) / (performance.now() - startedMs))
  deliveryUs.push(((processorSeconds(server.pid) - before) * 1e6) / (messages * subscribers))
}
