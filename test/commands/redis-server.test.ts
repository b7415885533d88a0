/**
 * The transcripts against redis-server: they say what Redis 7.0 says. `UPDATE_TRANSCRIPTS=1` writes its replies into the
 * files instead of failing (then read the difference before committing it).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ServerProcess } from '../integration/processes.ts'
import { startRedis } from '../integration/processes.ts'
import { describeWith, redisServer } from '../needs.ts'
import { SocketTarget } from './socket-target.ts'
import type { Mismatch } from './transcript.ts'
import { describeMismatches, loadTranscripts, runSection, updateTranscript } from './transcript.ts'

const update = process.env.UPDATE_TRANSCRIPTS === '1'

describeWith([redisServer], 'transcripts against redis-server', () => {
  let server: ServerProcess
  let target: SocketTarget
  beforeAll(async () => {
    server = await startRedis()
    target = new SocketTarget('redis', server.port)
  })
  afterAll(async () => {
    await target?.close()
    await server?.stop()
  })

  for (const transcript of loadTranscripts(new URL('./', import.meta.url))) {
    const corrections: Mismatch[] = []
    describe(transcript.path.split('/').at(-1) as string, () => {
      for (const section of transcript.sections.filter(({ only }) => only !== 'moraine')) {
        it(`[${section.commands.join(', ')}] ${section.title}`, async () => {
          const mismatches = await runSection(target, section)
          corrections.push(...mismatches.filter(({ correction }) => update && correction !== undefined))
          const left = mismatches.filter(({ correction }) => !update || correction === undefined)
          expect(left, describeMismatches(transcript, left)).toHaveLength(0)
        })
      }
      afterAll(() => {
        if (corrections.length > 0) updateTranscript(transcript, corrections)
      })
    })
  }
})
