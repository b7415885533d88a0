/** What V8's compiler inlines into a function that calls many small ones, as it tells in a process of its own. */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'

const module = fileURLToPath(new URL('../../server/inlining.ts', import.meta.url))
const functions = 40
const directory = mkdtempSync(join(tmpdir(), 'moraine-inlining-'))

afterAll(() => rmSync(directory, { recursive: true }))

function inlined(more: boolean): number {
  const program = `
    import { inlineMore } from ${JSON.stringify(module)}
    if (${more}) inlineMore()
    let text = ''
    let calls = ''
    for (let i = 0; i < ${functions}; i++) {
      text += 'function small' + i + '(x) { let y = x + ' + i + '; y = (y * 3) ^ (y >>> 2); y = (y + ' + i + ') | 0; return y ^ (y >>> 1) }'
      calls += 'sum = (sum + small' + i + '(x)) | 0;'
    }
    const hot = new Function(text + 'return function hot(x) { let sum = 0; ' + calls + ' return sum }')()
    let seen = 0
    for (let i = 0; i < 200_000; i++) seen ^= hot(i)`
  const args = [
    '--trace-turbo-inlining',
    '--no-concurrent-recompilation',
    '--no-use-osr',
    '--import',
    'tsx',
    '--input-type=module',
    '-e',
    program,
  ]
  // V8 writes with the C library, which gives up what a pipe does not take at once.
  const path = join(directory, 'trace')
  const file = openSync(path, 'w')
  spawnSync(process.execPath, args, { stdio: ['ignore', file, 'inherit'] })
  closeSync(file)
  return new Set(readFileSync(path, 'utf8').match(/(?<=Inlining .*SharedFunctionInfo )small\d+(?=>\} into .* hot>)/g)).size
}

it('is all of them, where V8 alone would leave calls', () => {
  expect(inlined(false)).toBeLessThan(functions)
  expect(inlined(true)).toBe(functions)
})
