/**
 * Large hashes that change while a checkpoint writes them, leaf by leaf, one story for each change: on disk each is as it was at
 * one moment. Random changes: `test/property/{hash-tree,recovery,moves}.test.ts`.
 */
import { describe, expect, it } from 'vitest'
import { hasCold } from '../../engine/cold-wants.ts'
import { Compactor } from '../../engine/keyspace/compactor.ts'
import { treeForm } from '../../engine/keyspace/entries.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { relocateEntry, relocateNode, relocateValue } from '../../engine/keyspace/relocation.ts'
import { atTail, becomesTree, pushEdit, removeRangeEdit, setEdit } from '../../engine/types/list-type.ts'
import { catalogGenerations } from '../../storage/catalog-format.ts'
import { openCatalog } from '../../storage/catalog-reader.ts'
import { CatalogWriter } from '../../storage/catalog-writer.ts'
import { Checkpointer } from '../../storage/checkpoint.ts'
import { KeyspaceRestore } from '../../storage/restore.ts'
import type { Sizes } from '../../storage/sizes.ts'
import { defaultSizes } from '../../storage/sizes.ts'
import { chance } from '../chance.ts'
import type { KeyState } from '../property/keyspace-check.ts'
import { checkKeyspace, contentsOf, entriesOf, keyOf } from '../property/keyspace-check.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'
import { leavesOf } from './leaves.ts'
import { fields } from './recorded-engine.ts'
import { TieredKeyspace } from './tiered-keyspace.ts'

const directory = '/data'
const leafBytesMax = 300
const defaults = { ...defaultSizes, batchEntries: 1 }

/** A keyspace that takes checkpoints, each leaf a batch of its own. */
class Checkpointed extends TieredKeyspace {
  readonly files: SimulatedDisk
  readonly checkpointer: Checkpointer
  /** Batches that were written in the present checkpoint. */
  batches = 0
  /** Called when a batch has been collected, and is about to be written. */
  meanwhile: (batch: number) => void = () => undefined

  private constructor(files: SimulatedDisk, catalog: CatalogWriter, sizes: Sizes) {
    super({ catalog, sizes, leafBytesMax })
    this.files = files
    const appended = (): number => this.lsn
    this.checkpointer = new Checkpointer({
      keyspace: this.keyspace,
      tier: this.tier,
      writeOut: this.writeOut,
      catalog,
      store: this.store,
      files,
      directory,
      clock: this.clock,
      log: {
        get appended() {
          return appended()
        },
        id: Buffer.alloc(8, 1),
        committed: () => Promise.resolve(),
        noteChecksum: () => () => undefined,
        sync: () => Promise.resolve(),
        trim: () => Promise.resolve(),
      },
      lastLsn: 0,
      sizes,
    })
    this.committed = async () => this.meanwhile(++this.batches)
  }

  static async open(sizes: Partial<Sizes> = {}): Promise<Checkpointed> {
    const files = new SimulatedDisk(chance(4))
    return new Checkpointed(files, await CatalogWriter.create(files, directory, 1), { ...defaults, ...sizes })
  }

  async checkpoint(meanwhile: (batch: number) => void = () => undefined): Promise<void> {
    this.batches = 0
    this.meanwhile = meanwhile
    await this.checkpointer.run()
  }

  get contents(): Map<string, KeyState> {
    return contentsOf(this.keyspace)
  }

  /** What a restart would make of the disks as they are, before any log. */
  async onDisk(): Promise<Map<string, KeyState>> {
    const restarted = new TieredKeyspace({ disk: this.disk, leafBytesMax })
    const { keyspace, tier } = restarted
    keyspace.observer = noObserver
    const reader = await openCatalog(this.files, directory)
    if (reader === undefined) throw new Error('there is no catalog')
    const restore = new KeyspaceRestore(keyspace, (value) => tier.isMovable(value), 0)
    await reader.read(restore)
    restore.finish(tier)
    keyspace.observer = tier
    checkKeyspace(keyspace)
    for (const ref of entriesOf(keyspace, 0)) {
      if (!hasCold(keyspace, ref)) continue
      const set = restarted.needs(keyOf(keyspace, ref))
      await tier.fetch(set)
      tier.admit(set)
    }
    checkKeyspace(keyspace)
    return contentsOf(keyspace)
  }

  /** Releases in the background what lost its key. */
  freeAll(): void {
    while (this.tier.lazyFree.any) this.tier.lazyFree.step()
  }

  /** Names of the fields in one leaf, as numbers. */
  leaf(name: string, index: number): number[] {
    const { trees } = this.keyspace
    const numbers: number[] = []
    this.hashes.visitLeaf(leavesOf(trees, this.root(name)).at(index)?.ref as number, (bytes, pair) => {
      numbers.push(Number(bytes.toString('latin1', pair.fieldStart, pair.fieldEnd).split(':')[1]))
    })
    return numbers
  }
}

const count = 100

/** What happens to the hash `h` in the middle of being written. */
const changes: readonly (readonly [string, (f: Checkpointed) => void])[] = [
  ['each leaf is changed', (f) => f.hashSet('h', 0, count, 'new')],
  ['leaves are cut', (f) => f.hashSet('h', count, 3 * count, 'new')],
  ['leaves are joined', (f) => f.hashDelete('h', 3, count - 3)],
  [
    'a leaf is removed, and another one gets its separator',
    (f) => {
      for (const index of [7, 3, 1]) {
        const numbers = f.leaf('h', index)
        for (const n of numbers) f.hashDelete('h', n, n + 1)
        for (const n of numbers) f.hashSet('h', n, n + 1, 'again '.repeat(12))
      }
    },
  ],
  ['it is deleted', (f) => f.delete('h')],
  ['it loses field after field to the last', (f) => f.hashDelete('h', 0, count)],
  ['a string takes its place', (f) => f.set('h')],
  ['another hash takes its place', (f) => f.move('other', 'h')],
  [
    'it is copied, and each goes its way',
    (f) => {
      f.copy('h', 'copy')
      f.hashSet('h', 0, 50, 'new')
      f.hashSet('copy', 50, 150, 'new')
    },
  ],
  [
    'it is copied and deleted',
    (f) => {
      f.copy('h', 'copy')
      f.delete('h')
    },
  ],
  [
    'it is renamed, changed and renamed again',
    (f) => {
      f.move('h', 'renamed')
      f.hashSet('renamed', 20, 120, 'new')
      f.move('renamed', 'other')
      f.hashDelete('other', 0, 40)
    },
  ],
  [
    'its database is flushed',
    (f) => {
      f.change((mutator) => mutator.flush(0))
      f.hashSet('h', 0, 30, 'after', treeForm, 5)
    },
  ],
  [
    'its leaves, nodes, root and entry get other slots',
    (f) => {
      const { keyspace } = f
      const { trees } = keyspace
      for (let times = 0; times < 2; times++) {
        const root = f.root('h')
        for (const { ref } of leavesOf(trees, root)) relocateValue(keyspace, ref)
        relocateNode(keyspace, trees.roots.top(root))
        relocateNode(keyspace, root)
        f.hashSet('h', 0, 40, `new ${times}`)
        relocateEntry(keyspace, f.ref('h'))
        const compactor = new Compactor(keyspace)
        while (compactor.step());
      }
    },
  ],
]

async function filled(): Promise<Checkpointed> {
  const f = await Checkpointed.open()
  f.hashSet('h', 0, count, 'value', treeForm, 77)
  f.hashSet('other', 0, 30, 'other', treeForm, 78)
  return f
}

/** All that is known of `h` lies on disk, and some of it has changed. */
async function changedSince(): Promise<Checkpointed> {
  const f = await filled()
  await f.checkpoint()
  f.hashSet('h', 0, 20, 'changed')
  f.hashDelete('h', 40, 60)
  f.hashSet('h', 40, 60, 'again')
  return f
}

describe.each([
  ['new', filled],
  ['changed since the last checkpoint', changedSince],
])('a large hash that is %s', (_what, made) => {
  it.each(changes)('is on disk as of one moment although %s while it is written', async (_change, change) => {
    let last = 1
    for (const at of [() => 1, () => 3, () => last]) {
      const f = await made()
      const moment = f.contents.get('0/h')
      let happened = false
      await f.checkpoint((batch) => {
        if (batch === at()) {
          change(f)
          happened = true
        }
        if (happened) f.freeAll()
      })
      last = f.batches
      expect(happened).toBe(true)
      expect((await f.onDisk()).get('0/h')).toEqual(moment)
      f.freeAll()
      checkKeyspace(f.keyspace)
      const now = f.contents
      await f.checkpoint()
      expect(await f.onDisk()).toEqual(now)
      expect(f.contents).toEqual(now)
    }
  })

  it.each(changes)('is on disk after a checkpoint that failed in the middle, while %s', async (_change, change) => {
    const f = await made()
    const moment = f.contents
    const run = f.checkpoint((batch) => {
      if (batch !== 3) return
      change(f)
      f.disk.fail('write', 'ENOSPC', 1)
    })
    await expect(run).rejects.toThrow('ENOSPC')
    f.freeAll()
    checkKeyspace(f.keyspace)
    const now = f.contents
    expect(now).not.toEqual(moment)
    await f.checkpoint()
    expect(await f.onDisk()).toEqual(now)
  })

  it.each(changes)('leaves nothing behind when %s while it is written', async (_change, change) => {
    const f = await made()
    await f.checkpoint((batch) => {
      if (batch === 3) change(f)
    })
    for (const ref of entriesOf(f.keyspace, 0)) f.delete(keyOf(f.keyspace, ref))
    f.freeAll()
    await f.checkpoint()
    await f.checkpoint()
    const empty = await Checkpointed.open()
    expect([f.disk.contents.size, f.keyspace.arena.liveBytes, f.tier.residency.bytes]).toEqual([0, empty.keyspace.arena.liveBytes, 0])
  })
})

describe('a large hash that is frozen again while its leaves are in the batch in hand', () => {
  it('keeps those copies that the catalog was told of last', async () => {
    const f = await Checkpointed.open({ batchEntries: 4096 })
    f.hashSet('h', 0, count, 'value', treeForm, 77)
    for (let i = 0; i < 60; i++) f.set(`s${i}`)
    let ms = 0
    f.clock.monotonicMs = () => (ms += 2)
    let turns = 0
    f.clock.afterTurn = (work) => {
      if (++turns === 3) {
        expect(f.tier.lag.frozen.length).toBe(0)
        f.hashSet('h', 0, 1, 'changed')
      }
      queueMicrotask(work)
    }
    await f.writeOut.step(1000)
    expect(turns).toBeGreaterThan(3)
    expect(f.writeOut.counts.outdated).toBe(1)
    await f.checkpoint()
    expect(await f.onDisk()).toEqual(f.contents)
  })
})

describe('a catalog that is begun anew', () => {
  it('does not forget a key that was deleted and made again since the last checkpoint', async () => {
    const f = await Checkpointed.open({ catalogRecordsMin: 1 })
    f.hashSet('h', 0, count, 'former', treeForm, 77)
    f.set('s')
    await f.checkpoint()
    for (const key of ['h', 's']) f.delete(key)
    f.hashSet('h', 0, count, 'new', treeForm, 78)
    f.hashSet('s', 0, count, 'new', treeForm, 79)
    const now = f.contents
    await f.checkpoint()
    expect(await catalogGenerations(f.files, directory)).toEqual([2])
    expect(await f.onDisk()).toEqual(now)
  })

  it('records all leaves of a tree that was written in part, and of one that is clean', async () => {
    const f = await Checkpointed.open({ catalogRecordsMin: 1 })
    f.hashSet('clean', 0, count, 'value', treeForm, 5)
    f.hashSet('h', 0, count, 'value', treeForm, 6)
    await f.checkpoint()
    f.hashSet('h', 0, 50, 'new')
    await f.writeOut.step(1)
    await f.writeOut.step(0)
    expect(f.tier.lag.frozen.length).toBe(1)
    const now = f.contents
    await f.checkpoint()
    expect(await catalogGenerations(f.files, directory)).toEqual([2])
    expect(await f.onDisk()).toEqual(now)
  })
})

describe('a large hash whose turn in a checkpoint is yet to come', () => {
  const former = Buffer.from('last')
  const latter = Buffer.from('moved')

  /** A record that changes some leaves of the hash, moves it, then cuts a leaf near its beginning and changes others. */
  function changeAndMove(f: Checkpointed): void {
    const cut = f.leaf('last', 1)
    const late = [...f.leaf('last', -2), ...f.leaf('last', -3)]
    f.change((mutator) => {
      mutator.hashSet(0, former, 0, former.length, fields(0, 10, 'in the record'))
      mutator.move(f.ref('last'), 0, latter, 0, latter.length)
      for (const n of cut) mutator.hashSet(0, latter, 0, latter.length, fields(n, n + 1, 'cut'.repeat(50)))
      for (const n of late) mutator.hashSet(0, latter, 0, latter.length, fields(n, n + 1, 'late'))
      mutator.hashDelete(f.ref('moved'), fields(80, 90, ''))
    })
  }

  it.each([
    [
      'not written yet',
      async (f: Checkpointed): Promise<void> => {
        f.hashSet('h', 0, 5, 'changed')
        f.hashSet('last', 0, 50, 'changed')
      },
    ],
    [
      'written in part',
      async (f: Checkpointed): Promise<void> => {
        f.hashSet('last', 0, 50, 'changed')
        await f.writeOut.step(1)
        await f.writeOut.step(0)
        expect(f.tier.lag.frozen.length).toBe(1)
        f.hashSet('last', 10, 12, 'changed')
      },
    ],
  ])('is recorded as it is when it moves in the middle of a record, and the next checkpoint has the rest: %s', async (_what, before) => {
    const f = await filled()
    f.hashSet('last', 0, count, 'value', treeForm, 79)
    await f.checkpoint()
    await before(f)
    const moment = new Map(f.contents.get('0/last')?.value as ReadonlyMap<string, string>)
    await f.checkpoint((batch) => {
      if (batch === 1) changeAndMove(f)
    })
    const recorded = (await f.onDisk()).get('0/last') as KeyState
    for (let n = 0; n < 10; n++) moment.set(`field:${n}`, `in the record ${n}`)
    expect(recorded.value).toEqual(moment)
    const now = f.contents
    await f.checkpoint()
    expect(await f.onDisk()).toEqual(now)
    expect(f.contents).toEqual(now)
  })
})

describe('a list of which a range of leaves goes while it is written', () => {
  const length = 600

  /** Makes an edit of the list `l`, whose payload is a number of varints. */
  function edit(f: Checkpointed, number: number, ...payload: number[]): void {
    const key = Buffer.from('l')
    f.change((mutator) => {
      const out = mutator.payload()
      for (const value of payload) out.varint(value)
      mutator.edit(mutator.types.lists, number, 0, key, 0, key.length)
    })
  }

  async function listed(isClean: boolean): Promise<Checkpointed> {
    const f = await Checkpointed.open()
    f.change((mutator) => {
      const out = mutator.payload()
      out.byte(atTail | becomesTree)
      out.varint(length)
      for (let i = 0; i < length; i++) {
        const element = Buffer.from(`element ${i}`)
        out.range(element, 0, element.length)
      }
      mutator.edit(mutator.types.lists, pushEdit, 0, Buffer.from('l'), 0, 1)
    })
    if (isClean) await f.checkpoint()
    return f
  }

  it.each([
    [0, false],
    [3, false],
    [12, false],
    [0, true],
    [5, true],
  ])('is on disk as it was, and then as it is (at batch %i, clean %s)', async (batch, isClean) => {
    const f = await listed(isClean)
    if (isClean) edit(f, setEdit, 0, 300, 0)
    const before = f.contents
    await f.checkpoint((now) => {
      if (now !== batch + 1) return
      edit(f, removeRangeEdit, 100, 350)
      checkKeyspace(f.keyspace)
    })
    f.freeAll()
    if (f.batches > batch) expect(await f.onDisk()).toEqual(before)
    else edit(f, removeRangeEdit, 100, 350)
    const after = f.contents
    await f.checkpoint()
    f.freeAll()
    checkKeyspace(f.keyspace)
    expect(f.contents).toEqual(after)
    expect(await f.onDisk()).toEqual(after)
    // Nothing stays in the cold store of what has gone.
    await f.checkpoint()
    const used = leavesOf(f.keyspace.trees, f.root('l')).length
    expect(f.disk.contents.size).toBe(used)
  })
})
