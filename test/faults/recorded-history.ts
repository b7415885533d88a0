/**
 * What clients asked for and were answered, and by whom: each request with the moment before it was sent and the moment after its
 * answer came, by the order of events in the one process in which all clients live. A request without an answer may have happened at any time after it was sent, or not.
 *
 * The checks: each key has an order of its operations that explains all answers, so nothing acknowledged is lost and nothing stale
 * was shown; a transaction is seen whole; a replica shows a beginning of the lists; and no node acknowledges once a later one has.
 */
import type { Operation } from '../simulation/linearizability.ts'
import { linearizationFailure } from '../simulation/linearizability.ts'
import type { ListRequest } from '../simulation/list-history.ts'
import { listFailure } from '../simulation/list-history.ts'
import { bulks } from '../simulation/model-replies.ts'
import type { StringRequest } from '../simulation/string-history.ts'
import { strings } from '../simulation/string-history.ts'
import type { Tenure } from './fault-cluster.ts'

type Recorded = { -readonly [K in keyof Operation<readonly string[]>]: Operation<readonly string[]>[K] }

interface Acknowledgement {
  readonly zone: number
  readonly start: number
  readonly end: number
  /** By the wall clock, when the answer had come. */
  readonly atMs: number
}

/** Operations of one request, each on a key of its own: several in a transaction. */
export interface Begun {
  answered(replies: readonly string[], zone: number): void
  /** It was refused, and has not happened. */
  refused(): void
}

export class RecordedHistory {
  /** When writes were acknowledged, by the monotonic clock. */
  readonly writesMs: number[] = []
  unknown = 0
  operations = 0
  readonly #lists = new Map<string, Set<Recorded>>()
  readonly #strings = new Map<string, Set<Recorded>>()
  readonly #acknowledgements: Acknowledgement[] = []
  readonly #shown: { readonly key: string; readonly elements: readonly string[]; readonly zone: number }[] = []
  #moment = 0
  #failure: string | undefined

  begin(requests: readonly (readonly string[])[]): Begun {
    const start = this.#moment
    const isWrite = requests.some(([name]) => name !== 'GET' && name !== 'LRANGE')
    const operations = requests.map(
      (request): Recorded => ({ request, reply: undefined, start: ++this.#moment, end: Number.POSITIVE_INFINITY }),
    )
    for (const operation of operations) this.#of(operation).add(operation)
    this.operations += requests.length
    this.unknown++
    return {
      answered: (replies, zone) => {
        this.unknown--
        for (const [i, operation] of operations.entries()) {
          operation.reply = replies[i] as string
          operation.end = ++this.#moment
        }
        this.#acknowledgements.push({ zone, start, end: this.#moment, atMs: Date.now() })
        if (isWrite) this.writesMs.push(performance.now())
      },
      refused: () => {
        this.unknown--
        for (const operation of operations) this.#of(operation).delete(operation)
      },
    }
  }

  replicaShowed(key: string, elements: readonly string[], zone: number): void {
    this.#shown.push({ key, elements, zone })
  }

  /** Something is wrong that a client has seen by itself. */
  fail(what: string): void {
    this.#failure ??= what
  }

  /** The longest time without an acknowledged write that has something of the time from one moment to another, all in ms. */
  gapMs(fromMs: number, toMs: number): number {
    let longest = 0
    for (const [i, nextMs] of this.writesMs.entries()) {
      const lastMs = i === 0 ? nextMs : (this.writesMs[i - 1] as number)
      if (nextMs >= fromMs && lastMs <= toMs) longest = Math.max(longest, nextMs - lastMs)
    }
    return longest
  }

  /** What is wrong; undefined when nothing is. `finals`: what is in each list when all is over. */
  failureOf(finals: ReadonlyMap<string, readonly string[]>, tenures: readonly Tenure[]): string | undefined {
    if (this.#failure !== undefined) return this.#failure
    for (const [key, operations] of this.#strings) {
      const failure = linearizationFailure([...operations] as Operation<StringRequest>[], strings)
      if (failure !== undefined) return `${key}: ${failure}`
    }
    for (const [key, operations] of this.#lists) {
      const final = finals.get(key) ?? []
      const history = [...operations] as Operation<ListRequest>[]
      const failure = listFailure({ operations: history, final, elementsOf: ({ reply = '' }) => bulks(reply) })
      if (failure !== undefined) return `${key}: ${failure}`
    }
    return this.#replicaFailure(finals) ?? tenureFailure(this.#acknowledgements, tenures)
  }

  #of({ request: [name, key] }: Recorded): Set<Recorded> {
    const kind = name === 'RPUSH' || name === 'LRANGE' ? this.#lists : this.#strings
    const operations = kind.get(key as string) ?? new Set<Recorded>()
    kind.set(key as string, operations)
    return operations
  }

  #replicaFailure(finals: ReadonlyMap<string, readonly string[]>): string | undefined {
    for (const { key, elements, zone } of this.#shown) {
      const final = finals.get(key) ?? []
      const wrong = elements.findIndex((element, i) => element !== final[i])
      if (wrong >= 0) return `node ${zone} has shown ${elements[wrong]} in ${key}, where ${final[wrong] ?? 'nothing'} is in the end`
    }
    return undefined
  }
}

/** What was asked for after a later leader had answered must not have been answered by an earlier one. */
export function tenureFailure(acknowledgements: readonly Acknowledgement[], tenures: readonly Tenure[]): string | undefined {
  const byZone = new Map<number, Tenure[]>()
  for (const tenure of tenures.toSorted((a, b) => a.sinceMs - b.sinceMs))
    byZone.set(tenure.zone, [...(byZone.get(tenure.zone) ?? []), tenure])
  const withEpochs = acknowledgements.map((each) => {
    const tenure = byZone.get(each.zone)?.findLast(({ sinceMs }) => sinceMs <= each.atMs)
    return { ...each, epoch: tenure?.epoch ?? 0 }
  })
  const byEnd = withEpochs.toSorted((a, b) => a.end - b.end)
  let ended = 0
  let newest = byEnd[0]
  for (const each of withEpochs.toSorted((a, b) => a.start - b.start)) {
    if (each.epoch === 0) return `node ${each.zone} has answered, and has never led`
    for (let next = byEnd[ended]; next !== undefined && next.end <= each.start; next = byEnd[++ended]) {
      if (newest === undefined || next.epoch > newest.epoch) newest = next
    }
    if (newest === undefined || newest.end > each.start || newest.epoch <= each.epoch) continue
    return `node ${each.zone} of epoch ${each.epoch} has answered what was asked after node ${newest.zone} of epoch ${newest.epoch} had answered`
  }
  return undefined
}
