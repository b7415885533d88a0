/** Asks many questions, and gives the replies in their order as text. */

import type { RespReply } from '../server/resp/reply-reader.ts'
import { RespClient } from '../server/tools/rdb/resp-client.ts'

/** `replied` gets what was asked as number `i`: an array as its elements, nested or not, a line each. */
export async function askAll(
  port: number,
  requests: readonly (readonly string[])[],
  replied: (i: number, reply: string) => void,
): Promise<void> {
  const client = await RespClient.open({ host: '127.0.0.1', port, user: undefined, password: undefined })
  let failure: Error | undefined
  const failed = (why: Error) => {
    failure ??= why
  }
  for (const [i, request] of requests.entries()) {
    client.post(request, (reply) => replied(i, textOf(reply)), failed)
    if (client.isFull) await client.room()
  }
  await client.must('PING')
  client.close()
  if (failure !== undefined) throw failure
}

function textOf(reply: RespReply): string {
  if (Array.isArray(reply)) return reply.map(textOf).join('\n')
  return reply instanceof Error ? reply.message : String(reply)
}
