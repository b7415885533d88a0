/**
 * The members of an etcd cluster, as those know them who must get an answer from any: which one to ask now, and which one
 * answered last. A call is one attempt at the current endpoint; if its outcome is ambiguous, the next endpoint becomes
 * current. Whether, when and with what to try again is for the caller, who knows what a repetition would do, and who has to
 * pause when all of them fail at once.
 */
import type { EtcdEndpoint } from './etcd-endpoint.ts'
import type { EtcdMethod } from './etcd-method.ts'
import type { EtcdOutcome } from './etcd-outcome.ts'

export class EtcdEndpoints {
  readonly all: readonly EtcdEndpoint[]
  #current: EtcdEndpoint
  #answeredLast: EtcdEndpoint | undefined
  #failures = 0

  /** At least one. The first is asked first. */
  constructor(all: readonly EtcdEndpoint[]) {
    if (all.length === 0) throw new RangeError('there is no endpoint')
    this.all = all
    this.#current = all[0]
  }

  get current(): EtcdEndpoint {
    return this.#current
  }

  /** The endpoint of the latest answer or refusal; none before the first. */
  get answeredLast(): EtcdEndpoint | undefined {
    return this.#answeredLast
  }

  /** How many calls in a row had an ambiguous outcome: as many as there are endpoints or more, and it is time to pause. */
  get failures(): number {
    return this.#failures
  }

  async call<Request, Reply>(method: EtcdMethod<Request, Reply>, request: Request, deadlineMs?: number): Promise<EtcdOutcome<Reply>> {
    const endpoint = this.#current
    const outcome = await endpoint.call(method, request, deadlineMs)
    if (outcome.kind === 'ambiguous') this.failed(endpoint)
    else this.#answered(endpoint)
    return outcome
  }

  /**
   * Makes the next endpoint current, unless that has happened already: of many calls that fail together the first moves on.
   * For those who notice a failure otherwise, such as a watch that is silent.
   */
  failed(endpoint: EtcdEndpoint): void {
    this.#failures++
    if (this.#current !== endpoint) return
    this.#current = this.all[(this.all.indexOf(endpoint) + 1) % this.all.length]
  }

  close(): void {
    for (const endpoint of this.all) endpoint.close()
  }

  #answered(endpoint: EtcdEndpoint): void {
    this.#failures = 0
    this.#answeredLast = endpoint
  }
}
