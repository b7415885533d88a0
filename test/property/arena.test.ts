/** The arena against a model: which slots are live, and what their owners wrote into them. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Kind } from '../../engine/memory/arena.ts'
import { Arena, entryKind, evenTableKind, oddTableKind, slotBytesMax, tableKind, valueKind } from '../../engine/memory/arena.ts'
import { testRuns } from '../chance.ts'

const runs = testRuns(15)

const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 3, arbitrary: fc.integer({ min: 300, max: 9000 }) },
  { weight: 1, arbitrary: fc.constantFrom(slotBytesMax - 1, slotBytesMax, slotBytesMax + 1, 100_001) },
)
const kinds = [entryKind, valueKind, tableKind, evenTableKind, oddTableKind]
const kind = fc.constantFrom<Kind>(...kinds)
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('allocate' as const), size, kind, times: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('release' as const), nth: fc.nat(1000), times: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('drain' as const), share: fc.constantFrom(0.3, 0.7, 1) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Slot {
  readonly ref: number
  readonly size: number
  readonly kind: Kind
  readonly mark: number
}

class ModelledArena {
  readonly arena = new Arena()
  slots: Slot[] = []
  #marks = 0

  allocate(bytes: number, kind: Kind): Slot {
    const slot = { ref: this.arena.allocate(bytes, kind), size: bytes, kind, mark: ++this.#marks & 0xff }
    const start = this.arena.at(slot.ref)
    this.arena.bytes(slot.ref).fill(slot.mark, start, start + bytes)
    this.slots.push(slot)
    return slot
  }

  release(at: number): void {
    const [slot] = this.slots.splice(at, 1)
    if (slot !== undefined) this.arena.release(slot.ref)
  }

  /** Moves what lives in a sparse run elsewhere, as the compactor does. */
  drain(share: number): void {
    const run = this.arena.beginDrain(share, 10_000)
    if (run < 0) return
    const kindOfRun = this.arena.runKind(run)
    const refs: number[] = []
    this.arena.slotsOf(run, refs)
    const inRun = new Set(refs)
    const movers = this.slots.filter((slot) => inRun.has(slot.ref))
    for (const slot of movers) {
      expect(slot.kind).toBe(kindOfRun)
      const copy = this.allocate(this.arena.capacity(slot.ref), slot.kind)
      expect(inRun.has(copy.ref)).toBe(false)
      this.release(this.slots.indexOf(slot))
    }
    expect(this.arena.endDrain(run)).toBe(true)
  }

  check(): void {
    const { arena } = this
    let live = 0
    const regions = new Map<Buffer, [number, number][]>()
    for (const { ref, size: bytes, kind: slotKind, mark } of this.slots) {
      const capacity = arena.capacity(ref)
      expect(capacity).toBeGreaterThanOrEqual(bytes)
      expect(capacity).toBe(Arena.roundedSize(bytes))
      expect(arena.at(ref) % 8).toBe(0)
      expect(arena.at(ref)).toBe(arena.wordAt(ref) * 4)
      expect(arena.isLarge(ref)).toBe(bytes > slotBytesMax)
      for (const other of kinds) expect(arena.isSlot(ref, other)).toBe(other === slotKind)
      if (!arena.isLarge(ref)) expect(arena.isSlot(ref + 1, slotKind)).toBe(false)
      live += capacity
      const start = arena.at(ref)
      const own = arena.bytes(ref).subarray(start, start + bytes)
      if (own[0] !== mark || own.indexOf(mark) !== 0 || own.some((byte) => byte !== mark)) throw new Error(`slot ${ref} lost its contents`)
      const ranges = regions.get(arena.bytes(ref)) ?? []
      ranges.push([start, start + capacity])
      regions.set(arena.bytes(ref), ranges)
    }
    for (const ranges of regions.values()) {
      ranges.sort((a, b) => a[0] - b[0])
      for (let i = 1; i < ranges.length; i++)
        expect((ranges[i] as [number, number])[0]).toBeGreaterThanOrEqual((ranges[i - 1] as [number, number])[1])
    }
    expect(arena.liveBytes).toBe(live)
    expect(arena.activeBytes).toBeGreaterThanOrEqual(live)
  }
}

function apply(model: ModelledArena, step: Step): void {
  if (step.do === 'allocate') for (let i = 0; i < step.times; i++) model.allocate(step.size, step.kind)
  else if (step.do === 'release')
    for (let i = 0; i < step.times && model.slots.length > 0; i++) model.release((step.nth * 7919 + i * 31) % model.slots.length)
  else model.drain(step.share)
}

describe('the arena', () => {
  it('keeps slots apart and contents whole, whatever is allocated, released and drained', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), (steps) => {
        const model = new ModelledArena()
        for (const each of steps) apply(model, each)
        model.check()
        while (model.slots.length > 0) model.release(model.slots.length - 1)
        model.check()
        // The first run keeps its place: ref 0 means none.
        expect(model.arena.activeBytes).toBeLessThanOrEqual(64 * 1024)
      }),
      { numRuns: runs },
    )
  })

  it('uses empty runs again for other sizes and kinds', () => {
    const model = new ModelledArena()
    for (let i = 0; i < 20_000; i++) model.allocate(100, entryKind)
    const { activeBytes } = model.arena
    while (model.slots.length > 0) model.release(0)
    expect(model.arena.idleBytes).toBeGreaterThan(activeBytes - 2 * 64 * 1024)
    for (let i = 0; i < 100; i++) model.allocate(16_000, valueKind)
    expect(model.arena.activeBytes).toBeLessThan(activeBytes)
    model.check()
  })

  it('knows a stale ref of an entry whose run now holds values', () => {
    const arena = new Arena()
    const refs = Array.from({ length: 5000 }, () => arena.allocate(64, entryKind))
    for (const ref of refs) arena.release(ref)
    expect(arena.idleBytes).toBeGreaterThan(0)
    for (let i = 0; i < 5000; i++) arena.allocate(64, valueKind)
    const large = arena.allocate(70_000, entryKind)
    expect(arena.isSlot(large, entryKind)).toBe(true)
    arena.release(large)
    expect(arena.isSlot(large, entryKind)).toBe(false)
    expect(arena.allocate(70_000, valueKind)).toBe(large)
    expect(arena.isSlot(large, entryKind)).toBe(false)
    expect(refs.filter((ref) => arena.isSlot(ref, entryKind)).length * 64).toBeLessThanOrEqual(64 * 1024)
  })

  it('says when it is full', () => {
    const arena = new Arena(128 * 1024)
    for (let i = 0; i < 3; i++) arena.allocate(slotBytesMax, valueKind)
    expect(() => arena.allocate(slotBytesMax, valueKind)).toThrow('in use')
  })

  it('drains no run while its class has no free slot elsewhere', () => {
    const arena = new Arena()
    arena.allocate(24, valueKind)
    const lone = arena.allocate(1000, valueKind)
    expect(arena.beginDrain(0.7, 100)).toBe(-1)
    arena.release(lone)
    expect(arena.beginDrain(0.7, 100)).toBe(-1)
  })
})
