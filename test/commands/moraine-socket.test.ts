/** The transcripts against Moraine as a user starts it, through a socket. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ServerProcess } from '../integration/processes.ts'
import { startMoraine } from '../integration/processes.ts'
import { builtMoraine, describeWith } from '../needs.ts'
import { SocketTarget } from './socket-target.ts'
import { describeMismatches, loadTranscripts, runSection } from './transcript.ts'

describeWith([builtMoraine], 'transcripts against Moraine through a socket', () => {
  let server: ServerProcess
  let target: SocketTarget
  beforeAll(async () => {
    server = await startMoraine('--appendfsync', 'no')
    target = new SocketTarget('moraine', server.port)
  })
  afterAll(async () => {
    await target?.close()
    await server?.stop()
  })

  for (const transcript of loadTranscripts(new URL('./', import.meta.url))) {
    describe(transcript.path.split('/').at(-1) as string, () => {
      for (const section of transcript.sections.filter(({ only }) => only !== 'redis')) {
        it(`[${section.commands.join(', ')}] ${section.title}`, async () => {
          const mismatches = await runSection(target, section)
          expect(mismatches, describeMismatches(transcript, mismatches)).toHaveLength(0)
        })
      }
    })
  }
})
