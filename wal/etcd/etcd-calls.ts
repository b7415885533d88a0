/** Calls that are repeated until etcd answers them: reads, and changes that are the same whether they happen once or twice. */
import type { Clock } from '../../storage/clock.ts'
import type { EtcdEndpoints } from './etcd-endpoints.ts'
import type { EtcdMethod } from './etcd-method.ts'
import type { EtcdOutcome, Refused } from './etcd-outcome.ts'

const pauseMs = 50
/** While etcd has no room, or too much to do, or its users change. */
const refusedPauseMs = 200
/** Each time that etcd's users change it forgets what tokens it has given; whoever is refused more often in a row has another trouble. */
const BAD_TOKENS_MAX = 10

/** etcd refuses a call for good. */
export class EtcdRefused extends Error {
  override readonly name = 'EtcdRefused'
  readonly why: Refused['why']
  constructor({ why, message }: Refused) {
    super(`etcd refuses: ${message}`)
    this.why = why
  }
}

/** The log was closed, or its leadership given up, while etcd did not answer. */
export class EtcdGivenUp extends Error {
  override readonly name = 'EtcdGivenUp'
}

export class EtcdCalls {
  readonly endpoints: EtcdEndpoints
  /** Set by the owner. Told of each refusal for want of room. */
  onNoSpace: () => void = () => undefined
  readonly #clock: Clock
  #isClosed = false

  constructor(endpoints: EtcdEndpoints, clock: Clock) {
    this.endpoints = endpoints
    this.#clock = clock
  }

  /** Rejects with `EtcdRefused`, or with `EtcdGivenUp` when `isGivenUp` says so. `onAttempt` is called before each attempt. */
  async settled<Request, Reply>(
    method: EtcdMethod<Request, Reply>,
    request: Request,
    isGivenUp: () => boolean,
    onAttempt: () => void = () => undefined,
  ): Promise<Reply> {
    for (let badTokens = 0; ; ) {
      onAttempt()
      const outcome: EtcdOutcome<Reply> = await this.endpoints.call(method, request)
      if (outcome.kind === 'answered') return outcome.reply
      if (this.#isClosed || isGivenUp()) throw new EtcdGivenUp(`etcd has not answered: ${outcome.message}`)
      if (outcome.kind === 'refused') {
        if (outcome.why === 'noSpace') this.onNoSpace()
        badTokens = outcome.why === 'badToken' ? badTokens + 1 : 0
        if (!passes(outcome) || badTokens > BAD_TOKENS_MAX) throw new EtcdRefused(outcome)
        await this.pause(refusedPauseMs)
      } else if (this.endpoints.failures % this.endpoints.all.length === 0) await this.pause(pauseMs)
      if (this.#isClosed || isGivenUp()) throw new EtcdGivenUp(`etcd has not answered: ${outcome.message}`)
    }
  }

  /** Ends the connections; what waits for an answer is given up. */
  close(): void {
    this.#isClosed = true
    this.endpoints.close()
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve))
  }
}

/** Refusals that end by themselves, or by somebody making room. */
function passes({ why }: Refused): boolean {
  return why === 'noSpace' || why === 'tooManyRequests' || why === 'notLeader' || why === 'badToken'
}
