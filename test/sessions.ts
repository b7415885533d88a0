/**
 * Random sessions that shrink. A session is a list of steps, each with chance of its own, so that leaving out some changes
 * nothing about what the others draw. When a session fails, steps are left out as long as it goes on failing, and what the
 * shortest one did is printed.
 *
 * The search is that of Zeller and Hildebrandt ("Simplifying and isolating failure-inducing input", 2002), without its
 * complements: pieces of half the list, then of a quarter, down to single steps.
 */
import { chance, testSeed } from './chance.ts'
import { SeededRandom } from './simulation/seeded-random.ts'

/** Does the steps that it is given, from a fresh state; throws what is wrong. `tell` notes what a reader should see of a session that fails. */
export type RunSession<T> = (steps: Iterable<SeededRandom>, tell: (line: string) => void) => Promise<T>

export interface SessionOptions {
  readonly steps: number
  /** Sessions of one test differ by it. */
  readonly stream?: number
  readonly shrinkMs?: number
}

interface Attempt<T> {
  readonly result: T | undefined
  readonly failure: unknown
  /** The steps that were begun. */
  readonly begun: readonly number[]
  readonly told: readonly string[]
}

const shrinkMsUnlessTold = 60_000
const lineCharactersMax = 160
const linesMax = 200

/** Runs a session of so many steps and returns what `run` returns. When it fails, so does this, with the shortest session that does. */
export async function runSession<T>(options: SessionOptions, run: RunSession<T>): Promise<T> {
  const seeds = chance(options.stream)
  const steps = Array.from({ length: options.steps }, () => seeds.nextUint32())
  const first = await attempt(steps, run)
  if (first.failure === undefined) return first.result as T
  let shortest = first
  const untilMs = performance.now() + (options.shrinkMs ?? shrinkMsUnlessTold)
  await shrink(
    first.begun,
    async (some) => {
      const tried = await attempt(some, run)
      if (tried.failure === undefined) return undefined
      shortest = tried
      return tried.begun
    },
    () => performance.now() < untilMs,
  )
  throw new Error(describe(options, first, shortest), { cause: shortest.failure })
}

/**
 * Leaves out items as long as `fails` says of the rest that it fails: by returning the items that it took to fail, which
 * are the first of those it was given. Returns a list of which no single item can be left out, unless `mayGoOn` ended it.
 */
export async function shrink<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<readonly T[] | undefined>,
  mayGoOn: () => boolean = () => true,
): Promise<readonly T[]> {
  let kept = items
  let size = Math.ceil(kept.length / 2)
  while (size > 0) {
    let removed = false
    for (let end = kept.length; end > 0; ) {
      if (!mayGoOn()) return kept
      const from = Math.max(0, end - size)
      const failing = await fails([...kept.slice(0, from), ...kept.slice(end)])
      if (failing !== undefined) {
        kept = failing
        removed = true
      }
      end = Math.min(from, kept.length)
    }
    if (size > 1) size = Math.min(size >> 1, Math.max(1, kept.length >> 1))
    else if (!removed) size = 0
  }
  return kept
}

async function attempt<T>(steps: readonly number[], run: RunSession<T>): Promise<Attempt<T>> {
  const told: string[] = []
  let begun = 0
  function* each(): Generator<SeededRandom> {
    for (const seed of steps) {
      begun++
      yield new SeededRandom(seed)
    }
  }
  const tell = (line: string): void => {
    told.push(line.length > lineCharactersMax ? `${line.slice(0, lineCharactersMax)}… (${line.length} characters)` : line)
  }
  try {
    const result = await run(each(), tell)
    return { result, failure: undefined, begun: steps, told }
  } catch (failure) {
    return { result: undefined, failure: failure ?? new Error('failed with nothing'), begun: steps.slice(0, begun), told }
  }
}

function describe(options: SessionOptions, first: Attempt<unknown>, shortest: Attempt<unknown>): string {
  const lines = shortest.told.length > linesMax ? ['…', ...shortest.told.slice(-linesMax)] : shortest.told
  return [
    messageOf(first.failure),
    `The shortest session found that fails has ${shortest.begun.length} of ${options.steps} steps (seed ${testSeed}):`,
    ...lines.map((line) => `  ${line}`),
    messageOf(shortest.failure),
  ].join('\n')
}

function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure)
}
