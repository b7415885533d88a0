/** A hash that changes and goes cold while its replies are staged: in the end they are what they would have been without. */
import { describe, expect, it } from 'vitest'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { testRuns, testSeed } from '../chance.ts'
import { format } from '../commands/notation.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { ColdEngine } from './cold-engine.ts'

const stepsMax = testRuns(10_000)

/** One reply after the other is staged, with changes before and between the slices. */
class Reading {
  /** Replies of which nothing had to be fetched at the end, because all parts were at hand. */
  partsKept = 0
  readonly #cold = new ColdEngine({ ...hashCommands, ...keyCommands }, testSeed)
  readonly #name: string
  readonly #tell: (line: string) => void
  #staged: StagedWork | undefined

  constructor(name: string, tell: (line: string) => void) {
    this.#name = name
    this.#tell = tell
    Object.assign(this.#cold.engine.execution.limits, { hashMaxListpackEntries: 4, hashMaxListpackValue: 300 })
    this.#cold.engine.keyspace.trees.leafBytesMax = 200
  }

  async step(random: SeededRandom): Promise<void> {
    this.#cold.random = random
    if (this.#staged === undefined) {
      if (random.once(20)) this.#begin(1 + random.below(6000))
      else await this.#change(random)
      return
    }
    if (random.once(3)) await this.#change(random)
    else await this.#advance(this.#staged)
    if (random.once(5)) this.#tell(`(${this.#cold.freeze(0.5)} leaves and values become cold)`)
  }

  #begin(slicedBytes: number): void {
    this.#tell(`begin ${this.#name} h, in slices from ${slicedBytes} bytes on`)
    this.#cold.engine.execution.limits.slicedValueBytes = slicedBytes
    this.#staged = this.#cold.session.stage(this.#name, 'h')
  }

  async #advance(staged: StagedWork): Promise<void> {
    this.#tell('fetch and go on')
    await this.#cold.fetchFor(staged)
    if (staged.step()) return
    const asked = await this.#cold.fetchFor(staged)
    if (asked === 0 && staged.memoryBytes > 0) this.partsKept++
    this.#staged = undefined
    this.#tell(`${this.#name} h`)
    const ours = format(await this.#cold.askStaged(staged, this.#name, 'h'))
    expect(ours).toBe(format(await this.#cold.ask(this.#name, 'h')))
  }

  async #change(random: SeededRandom): Promise<void> {
    const field = (): string => `f${random.below(400)}`
    const kind = random.below(1000)
    let request = ['HSET', 'h', field(), 'v'.repeat(random.below(random.once(4) ? 1000 : 60))]
    if (kind === 0) request = ['DEL', 'h']
    else if (kind < 400) request = ['HDEL', 'h', field(), field(), field()]
    else if (kind < 500) request = ['HPEXPIRE', 'h', `${1 + random.below(300)}`, 'FIELDS', '2', field(), field()]
    else if (kind < 540) {
      this.#tell('(time passes)')
      this.#cold.engine.advance(1 + random.below(60))
    }
    this.#tell(request.join(' '))
    await this.#cold.ask(...request)
  }
}

describe('replies of large hashes in slices', () => {
  it.each(['HGETALL', 'HKEYS', 'HVALS'])('%s', async (name) => {
    const partsKept = await runSession({ steps: stepsMax }, async (steps, tell) => {
      const reading = new Reading(name, tell)
      for (const random of steps) await reading.step(random)
      return reading.partsKept
    })
    expect(partsKept).toBeGreaterThan(0)
  })
})
