/** The transcripts of strings, hashes, lists, bits, keys and expiry against the engine alone. Sections that need more of a server than that are left out. */
import { afterAll, describe, expect, it } from 'vitest'
import { engineTables } from '../../server/commands/tables.ts'
import { InProcessTarget } from './in-process.ts'
import { describeMismatches, loadTranscripts, runSection } from './transcript.ts'

/** Types have a file each; the others are about the server. */
const files = [
  'strings',
  'hashes',
  'lists',
  'sets',
  'sorted-sets',
  'streams',
  'bits',
  'hyperloglogs',
  'keys',
  'expiry',
  'dump',
  'sort',
  'geo',
].map((name) => `${name}.txt`)
/** SELECT's errors, keys that go without anybody asking for them, CONFIG GET. */
const serversOwn = [
  'Sixteen databases',
  'Active expiry removes what nobody asks for',
  "The thresholds' older names",
  'In a script a set has an order',
]

/** The second time all values are as large as can be: trees with small leaves, and work that is staged. */
describe.each([
  ['in process', false, new InProcessTarget(engineTables)],
  ['in process, in slices', true, new InProcessTarget(engineTables, 200, 1)],
] as const)('transcripts against the engine %s', (_, isSliced, target) => {
  afterAll(() => target.close())

  for (const transcript of loadTranscripts(new URL('./', import.meta.url))) {
    const file = transcript.path.split('/').at(-1) as string
    // What is so large that its dump is staged is no string of a few bytes.
    if (!files.includes(file) || (isSliced && file === 'dump.txt')) continue
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
