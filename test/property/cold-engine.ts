/**
 * An engine whose values become cold at a test's word, and come back only as far as a command's row asks: the tier's own
 * prefetch over a cold store that is a map. A handler that touches more than its row names fails. What came back clean
 * becomes cold again at random after the request, so that nobody can rely on what an earlier request fetched.
 */

import { Arguments } from '../../engine/arguments.ts'
import type { EngineCommand } from '../../engine/command.ts'
import { ownDatabase } from '../../engine/keyspace/keyspace.ts'
import { requestWants } from '../../engine/request-wants.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { Separator } from '../../engine/tree/separator.ts'
import type { TreeLeaves } from '../../engine/tree/tree-leaves.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import type { ColdStore } from '../../storage/cold-store.ts'
import { Tier } from '../../storage/tier.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import type { CommandTables, InProcessSession } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

/** Copies bytes of a value to the cold store and returns their id. */
type Copy = (value: number, bytes: number) => number

export class ColdEngine {
  readonly engine: InProcessEngine
  readonly session: InProcessSession
  readonly tier: Tier
  /** Decides what becomes cold. A session sets it for each of its steps. */
  random: SeededRandom
  /** Clean values and leaves that became cold after a request, without having been written again. */
  cooledAgain = 0
  readonly #codec = new ValueCodec()
  readonly #copies = new Map<number, Buffer>()
  #nextId = 1

  constructor(tables: CommandTables, seed: number) {
    this.engine = new InProcessEngine(tables, seed)
    this.session = this.engine.connect()
    this.random = new SeededRandom(seed + 1)
    const store = {
      readTo: (id, done) => queueMicrotask(() => done(undefined, this.#copies.get(id))),
      readAtOnce: (id) => this.#copies.get(id),
    } as Pick<ColdStore, 'readTo' | 'readAtOnce'> as ColdStore
    const settings = { demotes: true, valueBytesMin: 0, promote: 'always', ttlMinMs: 0 } as const
    this.tier = new Tier(this.engine.keyspace, store, this.#codec, new ManualClock(), settings, () => {})
    this.engine.keyspace.observer = this.tier
  }

  /** Fetches what the command's row asks for, and runs it. */
  async ask(...parts: readonly (string | Buffer)[]): Promise<Reply> {
    const reply = await this.#run(Arguments.of(...parts), undefined)
    this.#coolSome()
    return reply
  }

  /** Runs a request for which nothing was fetched: what it needs and is cold is a fault. */
  askAtOnce(...parts: readonly string[]): Reply {
    const { reply } = this.session.exchange(Arguments.of(...parts))
    this.tier.settle()
    return reply
  }

  /** Fetches what a staged asks for. Returns how many leaves, or -1 if it leaves that to the command's row. */
  async fetchFor(staged: StagedWork): Promise<number> {
    const set = new ColdSet(this.engine.keyspace.trees)
    if (!staged.eachCold?.(set)) return -1
    await this.tier.fetch(set)
    this.tier.admit(set)
    return set.items.length
  }

  /** Fetches what a step needs, and does it, as a server would. False when nothing is left to do beforehand. */
  async advance(staged: StagedWork): Promise<boolean> {
    while ((await this.fetchFor(staged)) > 0);
    return staged.isRecorded === true ? this.engine.inRecord(() => staged.step()) : staged.step()
  }

  /** As `ask`, with what was staged. */
  async askStaged(staged: StagedWork, ...parts: readonly string[]): Promise<Reply> {
    const args = Arguments.of(...parts)
    let asked = 0
    do asked = await this.fetchFor(staged)
    while (asked > 0)
    const says = asked === 0
    const reply = says ? this.session.exchange(args, staged).reply : await this.#run(args, staged)
    this.#coolSome()
    return reply
  }

  async #run(args: Arguments, staged: StagedWork | undefined): Promise<Reply> {
    const { keyspace, tables } = this.engine
    const row = args.count > 1 ? tables[`${args.string(0)} ${args.string(1)}`] : undefined
    const { keys, needs = 'value' } = row ?? (tables[args.string(0)] as EngineCommand)
    // As a server does, which asks again when something has come.
    for (;;) {
      keyspace.forgetLookUp()
      const cold = new ColdSet(keyspace.trees)
      requestWants(keyspace, needs, keys, args, 0, cold)
      if (cold.items.length === 0) break
      await this.tier.fetch(cold)
      this.tier.admit(cold)
    }
    const { reply } = this.session.exchange(args, staged)
    this.tier.settle()
    return reply
  }

  /** Writes out everything and makes about `share` of all that is resident cold. Returns how many leaves and values went. */
  freeze(share: number): number {
    return this.#makeCold(share, (value, bytes) => this.#copy(value, bytes))
  }

  /** Now and then makes some of what is clean cold, and leaves alone what is not. */
  #coolSome(): void {
    if (this.random.once(4)) this.cooledAgain += this.#makeCold(this.random.pick([0.3, 1]), undefined)
  }

  #makeCold(share: number, copy: Copy | undefined): number {
    const { keyspace } = this.engine
    const { entries } = keyspace
    const drawn = (): boolean => this.random.drawn(share)
    let cooled = 0
    for (const db of [0, ownDatabase]) {
      keyspace.databases[db].index.scan(0, Number.MAX_SAFE_INTEGER, (entry) => {
        if (entries.isTree(entry)) cooled += makeLeavesCold(keyspace.trees, entries.value(entry), copy, drawn)
        else if (entries.isResident(entry) && drawn() && this.#makeValueCold(entry, copy)) cooled++
      })
    }
    return cooled
  }

  /** False for a value that has no copy when none may be made. */
  #makeValueCold(entry: number, copy: Copy | undefined): boolean {
    const { keyspace } = this.engine
    const { entries, values } = keyspace
    const value = entries.value(entry)
    const id = values.id(value) !== 0 ? values.id(value) : (copy?.(value, values.room(value)) ?? 0)
    if (id === 0) return false
    entries.setCold(entry, id, 0)
    this.tier.residency.leave(value)
    values.release(value)
    keyspace.coldCount++
    return true
  }

  #copy(value: number, bytes: number): number {
    const { values } = this.engine.keyspace
    const start = values.start(value)
    this.#copies.set(this.#nextId, Buffer.from(this.#codec.encode(values.bytes(value), start, start + bytes)))
    return this.#nextId++
  }
}

/** Writes out what is dirty in a tree if there is `copy`, then makes clean leaves cold as `drawn` says. */
function makeLeavesCold(trees: TreeLeaves, root: number, copy: Copy | undefined, drawn: () => boolean): number {
  const at = new LeafRow()
  let cooled = 0
  trees.shape.first(root, at)
  do {
    const ref = trees.ref(at)
    const { node, row } = at
    if (copy !== undefined && trees.isDirty(at)) {
      const id = copy(ref, trees.nodes.bytes(node, row))
      if (!trees.stored(root, trees.shape.separator(at, new Separator()), trees.nodes.lsn(node, row), id)) {
        throw new Error('a leaf changed while nothing ran')
      }
    }
    if (ref !== 0 && drawn() && trees.evict(ref)) cooled++
  } while (trees.shape.next(at))
  return cooled
}
