/** Takes over the changes that a server sends to its replicas, as they come. */

import { RespReader } from '../../resp/reply-reader.ts'
import type { ReplicaSource } from './replica-source.ts'
import type { RespClient } from './resp-client.ts'

const acknowledgeMs = 1000
/** What concerns only the connection between the two servers. */
const ownCommands = ['PING', 'REPLCONF']

/** Until the source closes the connection, or `stopped` says so. Returns how many changes there were. */
export async function follow(source: ReplicaSource, target: RespClient, stopped: () => boolean): Promise<number> {
  const reader = new RespReader()
  const bytes = Buffer.allocUnsafeSlow(64 * 1024)
  let { offset } = source
  let changes = 0
  let failure: Error | undefined
  const acknowledging = setInterval(() => source.acknowledge(offset), acknowledgeMs)
  try {
    while (!stopped() && failure === undefined) {
      const count = await source.readStream(bytes)
      if (count === 0) break
      reader.push(Buffer.from(bytes.subarray(0, count)))
      for (let request = reader.next(); request !== undefined; request = reader.next()) {
        const parts = request as readonly Buffer[]
        if (ownCommands.includes(String(parts[0]).toUpperCase())) continue
        changes++
        target.send(...parts).then(
          (reply) => {
            if (reply instanceof Error) failure ??= new Error(`${parts[0]} was refused: ${reply.message}`)
          },
          (broken: Error) => {
            failure ??= broken
          },
        )
      }
      await target.room()
      offset += count
    }
  } finally {
    clearInterval(acknowledging)
  }
  await target.must('PING')
  if (failure !== undefined) throw failure
  return changes
}
