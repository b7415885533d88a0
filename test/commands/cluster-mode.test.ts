/** The transcripts of `cluster-mode/` against redis-server and Moraine, each a cluster of one node with all slots. `UPDATE_TRANSCRIPTS=1` as in redis-server.test.ts. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ServerProcess } from '../integration/processes.ts'
import { startMoraine, startRedisCluster } from '../integration/processes.ts'
import type { Need } from '../needs.ts'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'
import { encodeRequest, formatInline } from './notation.ts'
import { SocketTarget } from './socket-target.ts'
import type { Mismatch, Product } from './transcript.ts'
import { describeMismatches, loadTranscripts, runSection, updateTranscript } from './transcript.ts'

const update = process.env.UPDATE_TRANSCRIPTS === '1'
const servesWithinMs = 120_000

async function ask(target: SocketTarget, ...words: readonly string[]): Promise<string> {
  await target.send('setup', encodeRequest(words.map((word) => Buffer.from(word))))
  const received = await target.receive('setup')
  return received === 'closed' ? 'closed' : formatInline(received.reply)
}

function transcriptsAgainst(product: Product, need: Need, start: () => Promise<ServerProcess>): void {
  describeWith([need], `transcripts of cluster mode against ${product}`, () => {
    let server: ServerProcess
    let target: SocketTarget
    beforeAll(async () => {
      server = await start()
      target = new SocketTarget(product, server.port)
      if (product === 'redis') {
        await ask(target, 'CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
        await vi.waitFor(async () => expect(await ask(target, 'CLUSTER', 'INFO')).toContain('cluster_state:ok'), servesWithinMs)
      }
    })
    afterAll(async () => {
      await target?.close()
      await server?.stop()
    })

    for (const transcript of loadTranscripts(new URL('./cluster-mode/', import.meta.url))) {
      const corrections: Mismatch[] = []
      describe(transcript.path.split('/').at(-1) as string, () => {
        for (const section of transcript.sections.filter(({ only }) => only === undefined || only === product)) {
          it(`[${section.commands.join(', ')}] ${section.title}`, async () => {
            const mismatches = await runSection(target, section)
            const isUpdated = update && product === 'redis'
            corrections.push(...mismatches.filter(({ correction }) => isUpdated && correction !== undefined))
            const left = mismatches.filter(({ correction }) => !isUpdated || correction === undefined)
            expect(left, describeMismatches(transcript, left)).toHaveLength(0)
          })
        }
        afterAll(() => {
          if (corrections.length > 0) updateTranscript(transcript, corrections)
        })
      })
    }
  })
}

transcriptsAgainst('redis', redisServer, startRedisCluster)
transcriptsAgainst('moraine', builtMoraine, () => startMoraine('--appendfsync', 'no', '--cluster-enabled', 'yes'))
