/**
 * The token that stands for a user of etcd. etcd gives one for name and password, and the members forget it after some
 * minutes without use, when they restart, or when passwords change; then calls are refused and a new one is asked for.
 *
 * One token serves all endpoints. While one is being asked for, all who need it wait for the same answer.
 */
import type { User } from './cluster-methods.ts'
import type { Ambiguous, EtcdOutcome, Refused } from './etcd-outcome.ts'

/** Asks a member for a token. */
export type Authenticate = (user: User) => Promise<EtcdOutcome<string>>

export class EtcdToken {
  readonly #user: User
  #current: string | undefined
  #asking: Promise<EtcdOutcome<string>> | undefined

  constructor(user: User) {
    this.#user = user
  }

  /** The token, or what became of asking for it with `authenticate`. */
  async get(authenticate: Authenticate): Promise<string | Refused | Ambiguous> {
    if (this.#current !== undefined) return this.#current
    this.#asking ??= authenticate(this.#user)
    const asking = this.#asking
    const outcome = await asking
    if (this.#asking === asking) {
      this.#asking = undefined
      if (outcome.kind === 'answered') this.#current = outcome.reply
    }
    return outcome.kind === 'answered' ? outcome.reply : outcome
  }

  /** `token` has been refused. A newer one stays. */
  forget(token: string): void {
    if (this.#current === token) this.#current = undefined
  }
}
