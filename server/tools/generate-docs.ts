/**
 * `npm run docs` writes the generated pages; `npm run docs -- --check` changes nothing and fails when one is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { docPages } from './doc-pages.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const check = process.argv.includes('--check')

for (const page of docPages) {
  const path = join(root, page.path)
  const text = page.render()
  if (present(path) === text) continue
  if (check) {
    console.error(`${page.path} is stale: run npm run docs`)
    process.exitCode = 1
  } else {
    writeFileSync(path, text)
    console.log(`wrote ${page.path}`)
  }
}

function present(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
