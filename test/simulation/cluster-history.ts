/** What has happened in a cluster, as nobody in it can know it: the model's state after each record that was committed, and what clients asked for and were answered. */
import type { Operation } from './linearizability.ts'
import { linearizationFailure } from './linearizability.ts'
import type { ListRequest } from './list-history.ts'
import { listFailure } from './list-history.ts'
import type { State } from './model.ts'
import { emptyState } from './model.ts'
import { bulks } from './model-replies.ts'
import type { SharedHistory } from './observer.ts'
import type { LogEngine } from './shared-log-engine.ts'
import type { StringRequest } from './string-history.ts'
import { strings } from './string-history.ts'

/** Keys of which every operation is recorded, in a database of their own. */
export const recordedDatabase = 5
export const recordedStrings = ['string0', 'string1', 'number0']
export const recordedLists = ['list0', 'list1']

interface Made {
  readonly state: State
  readonly tokens: readonly string[]
}

type Recorded = { -readonly [K in keyof Operation<readonly string[]>]: Operation<readonly string[]>[K] }

export class ClusterHistory implements SharedHistory {
  readonly #engine: LogEngine
  readonly #states = new Map<number, State>([[0, emptyState]])
  readonly #tokens = new Set<string>()
  /** What leaders have made, by epoch and LSN. */
  readonly #made = new Map<number, Map<number, Made>>()
  readonly #operations = new Map<string, Recorded[]>()
  /** What replicas have shown of the lists. */
  readonly #shown: { readonly key: string; readonly elements: readonly string[]; readonly where: string }[] = []
  #moment = 0

  constructor(engine: LogEngine) {
    this.#engine = engine
    engine.watch(({ leader, records }) => {
      for (const { lsn } of records) this.#commit(leader.epoch, lsn)
    })
  }

  get operations(): number {
    return this.#moment
  }

  stateAt(lsn: number): State {
    const state = this.#states.get(lsn)
    if (state === undefined) throw new Error(`nobody has committed record ${lsn}`)
    return state
  }

  isCommitted(token: string): boolean {
    return this.#tokens.has(token)
  }

  appended(epoch: number, lsn: number, state: State, tokens: readonly string[]): void {
    const made = this.#made.get(epoch) ?? new Map<number, Made>()
    this.#made.set(epoch, made.set(lsn, { state, tokens }))
  }

  #commit(epoch: number, lsn: number): void {
    const made = this.#made.get(epoch)?.get(lsn)
    if (made === undefined) throw new Error(`record ${lsn} of epoch ${epoch} comes from nobody`)
    this.#states.set(lsn, made.state)
    this.#made.get(epoch)?.delete(lsn)
    for (const token of made.tokens) this.#tokens.add(token)
  }

  /** A client has a reply in its hands that reveals a record of an epoch: it must be in the log, for good. */
  requireCommitted(lsn: number, epoch: number, words: readonly string[]): void {
    const found = this.#engine.epochOf(lsn)
    // What a leader found when it claimed is of earlier epochs.
    const isOlder = found > 0 && found < epoch && !this.#made.get(epoch)?.has(lsn)
    if (found !== epoch && !isOlder)
      throw new Error(
        `${words.join(' ').slice(0, 100)} reveals record ${lsn} of epoch ${epoch}, which is not committed (there: epoch ${found})`,
      )
  }

  /** A client sends a request on one of the recorded keys. Returns what takes the reply. */
  begin(words: readonly string[]): (reply: string) => void {
    const operation: Recorded = { request: words, reply: undefined, start: ++this.#moment, end: Number.POSITIVE_INFINITY }
    const key = words[1] as string
    const operations = this.#operations.get(key) ?? []
    this.#operations.set(key, operations)
    operations.push(operation)
    return (reply) => {
      operation.reply = reply
      operation.end = ++this.#moment
    }
  }

  replicaShowed(key: string, elements: readonly string[], where: string): void {
    this.#shown.push({ key, elements, where })
  }

  /** Throws when something cannot be explained. The last operation on each list was a reading of it, after everything else. */
  judge(): void {
    for (const key of recordedStrings) {
      const failure = linearizationFailure((this.#operations.get(key) ?? []) as Operation<StringRequest>[], strings)
      if (failure !== undefined) throw new Error(`${key}: ${failure}`)
    }
    for (const key of recordedLists) {
      const operations = (this.#operations.get(key) ?? []) as Operation<ListRequest>[]
      const final = bulks(operations.findLast(({ request }) => request[0] === 'LRANGE')?.reply ?? '*0\r\n')
      const failure = listFailure({ operations, final, elementsOf: ({ reply = '' }) => bulks(reply) })
      if (failure !== undefined) throw new Error(`${key}: ${failure}`)
      for (const { key: shownKey, elements, where } of this.#shown) {
        if (shownKey !== key) continue
        const wrong = elements.findIndex((element, i) => element !== final[i])
        if (wrong >= 0) throw new Error(`${where} has shown ${elements[wrong]} in ${key}, where ${final[wrong] ?? 'nothing'} is in the end`)
      }
    }
  }
}
