/** What surrounds a tree in the server, reduced to maps: cold store, catalog, log; and a model to compare with. The tree is a hash. */
import { Values } from '../../engine/keyspace/values.ts'
import { Arena } from '../../engine/memory/arena.ts'
import { packedHeaderBytes, usedBytes } from '../../engine/memory/packed-bytes.ts'
import type { FrozenTree } from '../../engine/tree/frozen-tree.ts'
import type { LeafObserver } from '../../engine/tree/leaf-slots.ts'
import { Separator } from '../../engine/tree/separator.ts'
import { TreeLeaves } from '../../engine/tree/tree-leaves.ts'
import { rowsMax } from '../../engine/tree/tree-nodes.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'
import { hashEnd } from '../../engine/types/hash-leaf.ts'
import { HashTrees } from '../../engine/types/hash-tree.ts'
import { PackedCursor } from '../../engine/types/packed-fields.ts'

interface Row {
  readonly valueId: number
  readonly lsn: number
  readonly count: number
  readonly bytes: number
}

interface Mutation {
  readonly lsn: number
  readonly field: string
  readonly value: string | undefined
}

interface Taken {
  readonly separator: Separator
  readonly lsn: number
  readonly valueId: number
}

/** A checkpoint of the tree that is under way. */
interface Checkpoint {
  readonly frozen: FrozenTree
  readonly lsn: number
  /** What nobody needs once the checkpoint lasts. */
  readonly stale: number[]
}

export const seed = 0xc0ffee

export class TreeStore implements LeafObserver {
  readonly model = new Map<string, string>()
  readonly bytesMax: number
  readonly observer = this
  values!: Values
  leaves!: TreeLeaves
  hashes!: HashTrees
  root = 0
  lsn = 0
  readonly residents = new Set<number>()
  readonly copies = new Map<number, Buffer>()
  /** Rows as of the last marker, and with all that was recorded since. */
  #catalog = new Map<number, Row>()
  #recorded = new Map<number, Row>()
  /** A catalog that was begun anew does not hold everything yet. */
  #isIncomplete = false
  #catalogLsn = 0
  readonly #at = new LeafRow()
  readonly #separator = new Separator()
  readonly #cursor = new PackedCursor()
  #nextId = 1
  #stale: number[] = []
  #log: Mutation[] = []
  #checkpoint: Checkpoint | undefined

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
    this.#open()
    this.root = this.leaves.createTree(1, 1, seed, packedHeaderBytes, 0)
  }

  #open(): void {
    this.values = new Values(new Arena())
    this.leaves = new TreeLeaves(this.values, this)
    this.leaves.leafBytesMax = this.bytesMax
    this.hashes = new HashTrees(this.leaves)
    this.residents.clear()
  }

  get length(): number {
    return this.leaves.roots.count(this.root)
  }

  resident(ref: number): void {
    if (this.residents.has(ref)) throw new Error('made twice')
    this.residents.add(ref)
  }

  relocated(from: number, to: number): void {
    if (!this.residents.delete(from) || this.residents.has(to)) throw new Error('moved from nowhere')
    this.residents.add(to)
  }

  released(ref: number): void {
    if (!this.residents.delete(ref)) throw new Error('released twice')
  }

  treeDropped(root: number): void {
    while (!this.leaves.removal.releaseSome(root, 64)) {
      // Everything goes.
    }
  }

  stale(valueId: number): void {
    if (valueId === 0 || this.#stale.includes(valueId) || !this.copies.has(valueId)) throw new Error(`stale twice or unknown: ${valueId}`)
    this.#stale.push(valueId)
  }

  set(name: string, value: string): boolean {
    this.#log.push({ lsn: ++this.lsn, field: name, value })
    this.model.set(name, value)
    return this.#apply(name, value, this.lsn)
  }

  delete(name: string): boolean {
    this.#log.push({ lsn: ++this.lsn, field: name, value: undefined })
    this.model.delete(name)
    return this.#apply(name, undefined, this.lsn)
  }

  get(name: string): string | undefined {
    const field = Buffer.from(name)
    this.#admitFor(field)
    const bytes = this.hashes.get(this.root, field, 0, field.length, this.#cursor)
    return bytes?.toString('latin1', this.#cursor.valueStart, this.#cursor.valueEnd)
  }

  atRank(rank: number): string {
    this.leaves.shape.locateRank(this.root, rank, this.#at)
    this.#admitAt(this.#at)
    return this.hashes.atRank(this.root, rank, this.#cursor).toString('latin1', this.#cursor.fieldStart, this.#cursor.fieldEnd)
  }

  evict(nth: number): void {
    const ref = [...this.residents][nth % Math.max(this.residents.size, 1)]
    if (ref !== undefined) this.leaves.evict(ref)
  }

  /** Moves a node, the root block, or a leaf to another slot, as compaction does. */
  relocate(nth: number): void {
    const refs = [...this.residents, ...this.#nodes(this.leaves.roots.top(this.root)), this.root]
    const ref = refs[nth % refs.length] as number
    if (nth % refs.length < this.residents.size) this.leaves.relocate(ref)
    else {
      const root = this.leaves.relocateNode(ref)
      if (root !== 0) this.root = root
    }
  }

  #nodes(node: number): number[] {
    const { nodes } = this.leaves
    const below: number[] = [node]
    if (nodes.level(node) > 0) for (let row = 0; row < nodes.length(node); row++) below.push(...this.#nodes(nodes.ref(node, row)))
    return below
  }

  /** Starts a checkpoint: the state of the whole tree as of now, on its way to the disk. With `renews` the catalog is a new one, which knows nothing. */
  beginCheckpoint(renews: boolean): void {
    if (this.#checkpoint !== undefined) return
    const isAnew = renews || this.#isIncomplete
    if (isAnew) this.#recorded = new Map()
    this.#isIncomplete = isAnew
    this.#checkpoint = {
      frozen: this.leaves.frozen.freeze(this.root, this.lsn, isAnew ? 'all' : 'dirty'),
      lsn: this.lsn,
      stale: this.#stale,
    }
    this.#stale = []
  }

  /** Takes a batch of at most `leavesMax` leaves and stores it, or fails to. Ends the checkpoint when nothing is left. */
  writeBatch(leavesMax: number, fails: boolean, before: () => void): void {
    const checkpoint = this.#checkpoint
    if (checkpoint === undefined) return
    const { frozen } = checkpoint
    const rows = this.#recorded
    const taken: Taken[] = []
    const keyOf = (separator: Separator): number => separator.words[0] as number
    let more = true
    while (more && taken.length < leavesMax) {
      more = frozen.step({
        removed: (separator) => rows.delete(keyOf(separator)),
        stored: (separator, valueId, lsn, count, bytes) => rows.set(keyOf(separator), { valueId, lsn, count, bytes }),
        leaf: (separator, ref, lsn, count, bytes) => {
          const valueId = this.#copy(ref, bytes)
          rows.set(keyOf(separator), { valueId, lsn, count, bytes })
          taken.push({ separator: new Separator().copy(separator), lsn, valueId })
        },
      })
    }
    before()
    if (fails) {
      this.leaves.frozen.thaw(frozen)
      this.#checkpoint = undefined
      for (const { valueId } of taken) this.copies.delete(valueId)
      this.#stale.push(...checkpoint.stale)
      return
    }
    for (const { separator, lsn, valueId } of taken) {
      if (!this.leaves.stored(frozen.root, separator, lsn, valueId)) this.#stale.push(valueId)
    }
    if (more) return
    this.leaves.frozen.thaw(frozen)
    this.#checkpoint = undefined
    this.#isIncomplete = false
    this.#catalog = new Map(rows)
    this.#catalogLsn = checkpoint.lsn
    for (const id of checkpoint.stale) this.copies.delete(id)
  }

  get isCheckpointing(): boolean {
    return this.#checkpoint !== undefined
  }

  /** All memory is lost; catalog, copies and log are not. */
  restart(): void {
    this.#open()
    this.#checkpoint = undefined
    this.#recorded = new Map(this.#catalog)
    this.#isIncomplete = false
    this.root = this.leaves.createBare(1, 1, seed)
    const kept = new Set<number>()
    for (const [first, row] of this.#catalog) {
      this.leaves.restore(this.root, new Separator().set(first), row.valueId, row.lsn, row.count, row.bytes)
      kept.add(row.valueId)
    }
    if (this.#catalog.size === 0) this.root = this.leaves.createTree(1, 1, seed, packedHeaderBytes, 0)
    for (const id of this.copies.keys()) if (!kept.has(id)) this.copies.delete(id)
    this.#stale = []
    for (const { lsn, field, value } of this.#log) if (lsn > this.#catalogLsn) this.#apply(field, value, lsn)
  }

  forgetLog(): void {
    this.#log = []
  }

  /** Makes the leaf of a scan's cursor resident. */
  admitCursor(cursor: number): void {
    if (cursor >= hashEnd) return
    this.leaves.shape.locate(this.root, this.#separator.set(cursor), this.#at)
    this.#admitAt(this.#at)
  }

  /** All fields in scan order, `count` at a time. */
  contents(count: number): Map<string, string> {
    const found = new Map<string, string>()
    let cursor = 0
    do {
      this.admitCursor(cursor)
      cursor = this.hashes.scan(this.root, cursor, count, (bytes, pair) => {
        const name = bytes.toString('latin1', pair.fieldStart, pair.fieldEnd)
        if (found.has(name)) throw new Error(`${name} was visited twice`)
        found.set(name, bytes.toString('latin1', pair.valueStart, pair.valueEnd))
      })
    } while (cursor !== 0)
    return found
  }

  /** What must hold at any time. */
  check(): void {
    const { roots, nodes, shape } = this.leaves
    const at = this.#at
    let leaves = 0
    let cold = 0
    let dirty = 0
    let previous = -1
    let bytesResident = 0
    shape.first(this.root, at)
    do {
      leaves++
      const separator = shape.separator(at, this.#separator).words[0] as number
      if (separator <= previous) throw new Error('separators do not rise')
      previous = separator
      const ref = this.leaves.ref(at)
      if (this.leaves.isDirty(at)) {
        dirty++
        if (ref === 0 || this.values.id(ref) !== 0) throw new Error('a dirty leaf is cold or has an id')
      }
      const id = nodes.valueId(at.node, at.row)
      if (ref === 0) {
        cold++
        if (!this.copies.has(id)) throw new Error(`cold copy ${id} is lost`)
        continue
      }
      bytesResident += this.values.arena.capacity(ref)
      if (!this.residents.has(ref) || this.values.owner(ref) !== at.node || !this.values.isLeaf(ref))
        throw new Error('a leaf is not where it should be')
      const start = this.values.start(ref)
      const bytes = this.values.bytes(ref).subarray(start, start + usedBytes(this.values.bytes(ref), start))
      if (bytes.length !== nodes.bytes(at.node, at.row)) throw new Error('wrong size')
      let count = 0
      this.hashes.visitLeaf(ref, () => count++)
      if (count !== nodes.count(at.node, at.row)) throw new Error('wrong count')
      if (!this.leaves.isDirty(at) && this.copies.get(id)?.equals(bytes) !== true) throw new Error(`a clean leaf is not what copy ${id} is`)
    } while (shape.next(at))
    if (leaves !== roots.leaves(this.root)) throw new Error(`${leaves} leaves, not ${roots.leaves(this.root)}`)
    if (cold !== roots.coldLeaves(this.root)) throw new Error(`${cold} cold leaves, not ${roots.coldLeaves(this.root)}`)
    if (dirty !== roots.dirtyLeaves(this.root)) throw new Error(`${dirty} dirty leaves, not ${roots.dirtyLeaves(this.root)}`)
    if (bytesResident !== roots.residentBytes(this.root)) throw new Error('the root has lost count of bytes')
    if (leaves - cold !== this.residents.size) throw new Error('the observer has lost count of leaves')
    if (this.length !== this.model.size) throw new Error(`length ${this.length}, model has ${this.model.size}`)
    this.#checkNode(roots.top(this.root), this.root)
    for (const { valueId } of this.#catalog.values()) if (!this.copies.has(valueId)) throw new Error(`the catalog wants copy ${valueId}`)
  }

  #checkNode(node: number, parent: number): number {
    const { nodes } = this.leaves
    if (nodes.parent(node) !== parent) throw new Error('a node has another parent')
    if (nodes.length(node) === 0 || nodes.length(node) > rowsMax) throw new Error('a node has no rows, or too many')
    let sum = 0
    for (let row = 0; row < nodes.length(node); row++) {
      if (nodes.level(node) > 0 && this.#checkNode(nodes.ref(node, row), node) !== nodes.count(node, row)) throw new Error('a sum is wrong')
      sum += nodes.count(node, row)
    }
    return sum
  }

  #apply(name: string, value: string | undefined, lsn: number): boolean {
    const field = Buffer.from(name)
    this.#admitFor(field)
    if (value === undefined) return this.hashes.delete(this.root, field, 0, field.length, lsn)
    const bytes = Buffer.from(value)
    return this.hashes.set(this.root, field, 0, field.length, bytes, 0, bytes.length, lsn)
  }

  #admitFor(field: Buffer): void {
    this.hashes.locate(this.root, field, 0, field.length, this.#at)
    this.#admitAt(this.#at)
  }

  #admitAt(at: LeafRow): void {
    if (this.leaves.ref(at) !== 0) return
    const id = this.leaves.nodes.valueId(at.node, at.row)
    const bytes = this.copies.get(id)
    if (bytes === undefined) throw new Error(`copy ${id} is lost`)
    const separator = this.leaves.shape.separator(at, new Separator())
    if (!this.leaves.admit(this.root, separator, id, bytes)) throw new Error(`copy ${id} was refused`)
  }

  #copy(ref: number, bytes: number): number {
    const id = this.#nextId++
    const start = this.values.start(ref)
    this.copies.set(id, Buffer.from(this.values.bytes(ref).subarray(start, start + bytes)))
    return id
  }
}
