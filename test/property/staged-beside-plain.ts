/**
 * The same requests on an engine whose work is staged, with changes and cold leaves between the slices, on one where nothing is, and the first one's records on a third: the
 * replies and what there is are to be the same, and the trees whole.
 */
import { expect } from 'vitest'
import { Replay } from '../../engine/mutation/replay.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'
import type { CommandTables } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { formatInline } from '../commands/notation.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { ColdEngine } from './cold-engine.ts'

export type Words = readonly string[]

/** Changes while one request is staged. */
const changesMax = 3

export class StagedBesidePlain {
  /** Requests of which all was made beforehand. */
  used = 0
  readonly cold: ColdEngine
  readonly #plain: InProcessEngine
  readonly #replayed: InProcessEngine
  readonly #replay: Replay
  readonly #tell: (line: string) => void

  /** `lower` sets limits: what is large is to be little. */
  constructor(tables: CommandTables, lower: (engine: InProcessEngine) => void, tell: (line: string) => void) {
    this.#tell = tell
    this.cold = new ColdEngine(tables, 1)
    this.#plain = new InProcessEngine(tables, 2)
    this.#replayed = new InProcessEngine(tables, 3)
    for (const engine of this.#engines) lower(engine)
    this.#plain.execution.limits.slicedValueBytes = Number.POSITIVE_INFINITY
    this.#replay = new Replay(this.#replayed.keyspace, this.#replayed.mutator)
    this.#replayed.mutator.recording = false
  }

  get #engines(): InProcessEngine[] {
    return [this.cold.engine, this.#plain, this.#replayed]
  }

  pass(ms: number): void {
    for (const engine of this.#engines) engine.advance(ms)
  }

  async ask(words: Words): Promise<void> {
    this.#tell(shown(words))
    this.#compare(words, await this.cold.ask(...words))
  }

  #compare(words: Words, reply: Reply): void {
    const { mutator } = this.cold.engine
    if (mutator.operations > 0) this.#replay.apply(mutator.lsn, recordOf(this.cold.engine))
    expect(formatInline(reply), shown(words)).toBe(formatInline(this.#plain.connect().ask(...words)))
  }

  /** Does a request, in slices if it is staged, with what `change` draws in between. */
  async change(words: Words, random: SeededRandom, change: () => Words, isMade: (staged: StagedWork) => boolean): Promise<void> {
    const staged = this.cold.session.stage(...words)
    if (random.once(2)) this.cold.freeze(random.pick([0.3, 1]))
    if (staged === undefined) {
      await this.ask(words)
      return
    }
    let changes = 0
    for (let goesOn = true; goesOn; ) {
      if (changes < changesMax && random.once(8)) {
        changes++
        await this.ask(change())
      }
      goesOn = await this.cold.advance(staged)
      if (random.once(8)) this.cold.freeze(0.3)
    }
    this.#tell(`${shown(words)}, staged`)
    if (isMade(staged)) this.used++
    this.#compare(words, await this.cold.askStaged(staged, ...words))
    staged.release?.()
  }

  /** Compares what these requests show on all engines. */
  async check(whole: readonly Words[]): Promise<void> {
    for (const engine of [this.cold.engine, this.#replayed]) checkTrees(engine)
    for (const words of whole) {
      const expected = contents(this.#plain.connect().ask(...words))
      expect(contents(await this.cold.ask(...words)), shown(words)).toBe(expected)
      expect(contents(this.#replayed.connect().ask(...words)), `${shown(words)}, replayed`).toBe(expected)
    }
  }
}

/** A reply without what is known in memory only: when a consumer was seen who has got nothing. */
function contents(reply: Reply): string {
  return formatInline(reply).replace(/"seen-time" :\d+/g, '"seen-time"')
}

function shown(words: Words): string {
  return words.map((word) => (word.length > 40 ? `${word.slice(0, 20)}… (${word.length})` : word)).join(' ')
}

/** The record of the request that was executed last. */
function recordOf({ mutator }: InProcessEngine): Buffer {
  const { bytes, end, references } = mutator.record
  const parts: Uint8Array[] = []
  let from = 0
  for (const reference of references) {
    parts.push(bytes.subarray(from, reference.at), reference.bytes)
    from = reference.at
  }
  return Buffer.concat([...parts, bytes.subarray(from, end)])
}

/** What has to be true of the trees: all sums. */
function checkTrees({ keyspace }: InProcessEngine): void {
  const { entries, trees, arena } = keyspace
  const { nodes, roots } = trees
  keyspace.databases[0].index.scan(0, Number.MAX_SAFE_INTEGER, (entry) => {
    if (!entries.isTree(entry)) return
    const root = entries.value(entry)
    const at = new LeafRow()
    const sums = { leaves: 0, count: 0, cold: 0, dirty: 0, bytes: 0 }
    trees.shape.first(root, at)
    do {
      const ref = trees.ref(at)
      sums.leaves++
      sums.count += nodes.count(at.node, at.row)
      if (ref === 0) sums.cold++
      else sums.bytes += arena.capacity(ref)
      if (trees.isDirty(at)) sums.dirty++
    } while (trees.shape.next(at))
    expect(sums).toEqual({
      leaves: roots.leaves(root),
      count: roots.count(root),
      cold: roots.coldLeaves(root),
      dirty: roots.dirtyLeaves(root),
      bytes: roots.residentBytes(root),
    })
  })
}
