/** The transcripts of strings, hashes, bits, keys and expiry against the engine alone. Sections that need more of a server than that are left out. */
import { afterAll, describe, expect, it } from 'vitest'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { setCommands } from '../../engine/commands/set.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import type { CommandTables } from './in-process.ts'
import { InProcessTarget } from './in-process.ts'
import { describeMismatches, loadTranscripts, runSection } from './transcript.ts'

const tables: CommandTables = {
  ...stringCommands,
  ...bitmapCommands,
  ...keyCommands,
  ...hashCommands,
  ...setCommands,
  ...sortedSetCommands,
}
const files = ['strings.txt', 'hashes.txt', 'sets.txt', 'sorted-sets.txt', 'bits.txt', 'keys.txt', 'expiry.txt']
/** SELECT's errors, keys that go without anybody asking for them, CONFIG GET. */
const serversOwn = ['Sixteen databases', 'Active expiry removes what nobody asks for', "The thresholds' older names"]

describe('transcripts against the engine in process', () => {
  const target = new InProcessTarget(tables)
  afterAll(() => target.close())

  for (const transcript of loadTranscripts(new URL('./', import.meta.url))) {
    const file = transcript.path.split('/').at(-1) as string
    if (!files.includes(file)) continue
    describe(file, () => {
      for (const section of transcript.sections.filter(({ only, title }) => only !== 'redis' && !serversOwn.includes(title))) {
        it(`[${section.commands.join(', ')}] ${section.title}`, async () => {
          const mismatches = await runSection(target, section)
          expect(mismatches, describeMismatches(transcript, mismatches)).toHaveLength(0)
        })
      }
    })
  }
})
