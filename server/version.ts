/** What the server says it is: its own version, and the version of Redis whose behaviour clients may rely on. */
import { readFileSync } from 'node:fs'

export const redisVersion = '7.0.15'
export const moraineVersion = readVersion()

function readVersion(): string {
  for (const up of ['..', '../..']) {
    try {
      return (JSON.parse(readFileSync(new URL(`${up}/package.json`, import.meta.url), 'utf8')) as { version: string }).version
    } catch {
      // Compiled, it lies one folder deeper.
    }
  }
  return 'unknown'
}
