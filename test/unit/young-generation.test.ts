/** V8's young generation under the bound, in a process of its own whose garbage survives for a while. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const module = fileURLToPath(new URL('../../server/young-generation.ts', import.meta.url))

function largestYoungGeneration(bounded: boolean): number {
  const program = `
    import { boundYoungGeneration, youngGenerationBytes } from ${JSON.stringify(module)}
    if (${bounded}) boundYoungGeneration()
    const kept = []
    let largest = 0
    for (let turn = 0; turn < 3000; turn++) {
      for (let i = 0; i < 300; i++) kept[(turn * 300 + i) % 100_000] = { turn, i, text: [turn + i] }
      largest = Math.max(largest, youngGenerationBytes())
      await new Promise((resolve) => setImmediate(resolve))
    }
    console.log(largest)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { encoding: 'utf8' })
  expect(stderr).toBe('')
  return Number(stdout)
}

it('stays at two halves of 4 MiB, where V8 alone would let it grow', () => {
  expect(largestYoungGeneration(false)).toBeGreaterThan(16 * 2 ** 20)
  expect(largestYoungGeneration(true)).toBeLessThanOrEqual(16 * 2 ** 20)
})
