/** What the tests of etcd's client share: endpoints that are closed at the end, answers or nothing, watches that remember. */
import { realClock } from '../../server/real-clock.ts'
import type { EndpointOptions } from '../../wal/etcd/etcd-endpoint.ts'
import { EtcdEndpoint } from '../../wal/etcd/etcd-endpoint.ts'
import type { EtcdMethod } from '../../wal/etcd/etcd-method.ts'
import type { EtcdOutcome } from '../../wal/etcd/etcd-outcome.ts'
import type { EtcdWatch, WatchEnd, WatchEvent, WatchRequest } from '../../wal/etcd/etcd-watch.ts'
import type { TxnRequest } from '../../wal/etcd/kv-methods.ts'

/** A busy machine may take its time; the tests of deadlines say their own. */
export const patientMs = 20_000
const foreverMs = 120_000

const opened: EtcdEndpoint[] = []

export function open(options: Omit<EndpointOptions, 'clock'>): EtcdEndpoint {
  const endpoint = new EtcdEndpoint({ deadlineMs: patientMs, ...options, clock: realClock })
  opened.push(endpoint)
  return endpoint
}

/** Closes what `open` has opened. */
export function closeEndpoints(): void {
  for (const endpoint of opened.splice(0)) endpoint.close()
}

export async function answer<Request, Reply>(endpoint: EtcdEndpoint, method: EtcdMethod<Request, Reply>, request: Request): Promise<Reply> {
  return replyOf(await endpoint.call(method, request))
}

export function replyOf<Reply>(outcome: EtcdOutcome<Reply>): Reply {
  if (outcome.kind !== 'answered') throw new Error(`${outcome.kind}: ${outcome.message}`)
  return outcome.reply
}

/** Rejects after a time that says that it will never be true, so that nothing goes on behind the back of the tests that follow. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + foreverMs
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`never: ${isTrue}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export function put(key: string, value: Buffer | string): TxnRequest {
  return { compares: [], success: [{ kind: 'put', key: Buffer.from(key), value: Buffer.from(value) }] }
}

/** Writes a slot of a log: only if it is empty; tells what is there if it is not. */
export function putSlot(key: string, value: string): TxnRequest {
  const bytes = Buffer.from(key)
  return {
    compares: [{ key: bytes, target: 'createRevision', is: 'equal', revision: 0 }],
    success: [{ kind: 'put', key: bytes, value: Buffer.from(value) }],
    failure: [{ kind: 'range', key: bytes }],
  }
}

/** A watch and what it has been told. */
export class Watching {
  readonly batches: (readonly WatchEvent[])[] = []
  readonly progress: number[] = []
  isStarted = false
  end: WatchEnd | undefined
  readonly watch: EtcdWatch

  constructor(endpoint: EtcdEndpoint, request: WatchRequest) {
    this.watch = endpoint.watch(request, {
      onStart: () => {
        this.isStarted = true
      },
      onEvents: (events) => this.batches.push(events),
      onProgress: (revision) => this.progress.push(revision),
      onEnd: (end) => {
        this.end = end
      },
    })
  }

  get events(): readonly WatchEvent[] {
    return this.batches.flat()
  }

  get story(): string[] {
    return this.events.map(({ kind, pair }) => `${kind} ${pair.key}${kind === 'put' ? `=${pair.value}` : ''}`)
  }
}
