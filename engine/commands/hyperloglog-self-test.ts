/**
 * PFSELFTEST: that registers keep what is put into them, that both encodings estimate alike, and that estimates are as near as
 * they should be. It takes seconds in Redis; here it is staged, in slices. In EXEC, which cannot wait, it is a short one.
 */
import type { Execution } from '../execution.ts'
import type { Random } from '../random.ts'
import type { StagedWork } from '../staged-work.ts'
import { denseRegister, estimate, MemberRank, registerCount, setDenseRegister } from '../types/hyperloglog.ts'
import { raiseTo, WorkingCopy, workingBytes } from '../types/hyperloglog-sparse.ts'

const longCycles = 100
const longMembers = 1_000_000
const shortCycles = 3
const shortMembers = 10_000
const membersAStep = 500
/** Members up to which the sparse encoding must still be in use. */
const surelySparseMembers = 100
const sparseMaxBytes = 3000
/** Standard errors by which an estimate may be wrong. */
const errorsMax = 6

class SelfTest implements StagedWork {
  /** What went wrong. */
  failure: string | undefined
  readonly #random: Random
  readonly #registers = Buffer.alloc(workingBytes)
  readonly #sparse = new WorkingCopy()
  readonly #dense = new WorkingCopy()
  readonly #ranks = new Uint8Array(registerCount)
  readonly #member = new MemberRank()
  readonly #counter = Buffer.alloc(8)
  readonly #membersMax: number
  #cyclesLeft: number
  #members = 0
  #checkedAt = 1

  constructor(random: Random, cycles: number, members: number) {
    this.#random = random
    this.#cyclesLeft = cycles
    this.#membersMax = members
    this.#sparse.makeEmpty()
    this.#dense.makeEmpty()
    this.#dense.makeDense()
    this.#counter.writeUInt32LE(random.nextUint32(), 4)
  }

  get memoryBytes(): number {
    return 3 * workingBytes + registerCount
  }

  step(): boolean {
    if (this.failure !== undefined) return false
    if (this.#cyclesLeft > 0) {
      this.#cyclesLeft--
      this.#testRegisters()
      return true
    }
    for (let i = 0; i < membersAStep && this.#members < this.#membersMax; i++) this.#add()
    return this.failure === undefined && this.#members < this.#membersMax
  }

  #testRegisters(): void {
    for (let register = 0; register < registerCount; register++) {
      this.#ranks[register] = this.#random.nextUint32() & 63
      setDenseRegister(this.#registers, 0, register, this.#ranks[register])
    }
    for (let register = 0; register < registerCount; register++) {
      const rank = denseRegister(this.#registers, 0, register)
      if (rank === this.#ranks[register]) continue
      this.failure = `Register ${register} should be ${this.#ranks[register]} but is ${rank}`
      return
    }
  }

  #add(): void {
    this.#counter.writeUInt32LE(this.#members++)
    const { register, rank } = this.#member.of(this.#counter, 0, 8)
    this.#sparse.raise(register, rank, sparseMaxBytes)
    this.#dense.raise(register, rank, 0)
    if (this.#members !== this.#checkedAt) return
    this.#checkedAt *= 10
    if (this.#members <= surelySparseMembers && !this.#sparse.isSparse) this.failure = 'sparse encoding not used'
    const count = this.#estimateOf(this.#dense)
    if (this.#estimateOf(this.#sparse) !== count) this.failure = 'dense/sparse disagree'
    const error = Math.abs(this.#members - count)
    const errorMax = Math.ceil((1.04 / Math.sqrt(registerCount)) * errorsMax * this.#members)
    if (error > Math.max(1, errorMax)) this.failure = `Too big error. card:${this.#members} abserr:${error}`
  }

  #estimateOf({ bytes, length }: WorkingCopy): number {
    this.#ranks.fill(0)
    return raiseTo(this.#ranks, bytes, 0, length) ? Number(estimate(this.#ranks)) : -1
  }
}

export function stageSelfTest(x: Execution): StagedWork {
  return new SelfTest(x.random, longCycles, longMembers)
}

export function selfTest(x: Execution): void {
  const test = x.staged instanceof SelfTest ? x.staged : new SelfTest(x.random, shortCycles, shortMembers)
  while (test.step());
  if (test.failure === undefined) x.reply.ok()
  else x.reply.error(`ERR TESTFAILED ${test.failure}`)
}
