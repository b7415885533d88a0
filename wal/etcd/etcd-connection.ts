/**
 * One gRPC channel to one member, and the calls that are under way on it. gRPC lets them go on when a channel is closed; here
 * closing ends them, so that nobody waits for an answer over a connection that is given up.
 */
import type { CallOptions, ChannelCredentials, ChannelOptions, Metadata, requestCallback, ServiceError } from '@grpc/grpc-js'
import { Client, credentials } from '@grpc/grpc-js'
import type { WatchResponse, WatchStream } from './etcd-watch.ts'

/** Certificates and keys in PEM format. */
export interface EtcdTls {
  /** The authorities that vouch for etcd's members. */
  readonly authorities: Buffer
  /** This client's own, where etcd demands one. */
  readonly certificate?: Buffer | undefined
  readonly key?: Buffer | undefined
}

const channelOptions: ChannelOptions = {
  // Pages of a Range and what a watch catches up with may be large.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // With HTTP/2's 64 KiB each of them would wait for the network once per 64 KiB.
  'grpc-node.flow_control_window': 1 << 20,
  // A member that comes back is used again soon. gRPC would wait for up to two minutes.
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 200,
  'grpc.dns_min_time_between_resolutions_ms': 1000,
  // A connection that has died without a word ends after so long. etcd takes offence at more than a ping in five seconds.
  'grpc.keepalive_time_ms': 6000,
  'grpc.keepalive_timeout_ms': 2000,
  // What became of a request is for the caller to find out, so nothing is sent twice behind its back.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  // Closing a channel closes its connection, because no other channel has it.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_channelz': 0,
  // A proxy that the environment names is for the web.
  'grpc.enable_http_proxy': 0,
}

export class EtcdConnection {
  readonly #client: Client
  readonly #underWay = new Set<{ cancel(): void }>()

  /** Connects with the first call. Throws when there is something in `tls` that is no certificate or key. */
  constructor(address: string, tls: EtcdTls | undefined) {
    this.#client = new Client(address, channelCredentials(tls), channelOptions)
  }

  unary<Reply>(
    path: string,
    request: Buffer,
    decode: (bytes: Buffer) => Reply,
    metadata: Metadata,
    options: CallOptions,
    onEnd: (failure: ServiceError | null, reply?: Reply) => void,
  ): void {
    const ended: requestCallback<Reply> = (failure, reply) => {
      this.#underWay.delete(call)
      onEnd(failure, reply)
    }
    const call = this.#client.makeUnaryRequest(path, asIs, decode, request, metadata, options, ended)
    this.#underWay.add(call)
  }

  stream(path: string, decode: (bytes: Buffer) => WatchResponse, metadata: Metadata): WatchStream {
    const stream = this.#client.makeBidiStreamRequest(path, asIs, decode, metadata)
    this.#underWay.add(stream)
    stream.on('status', () => this.#underWay.delete(stream))
    return stream
  }

  /** Ends all that is under way, and the connection. */
  close(): void {
    for (const each of [...this.#underWay]) each.cancel()
    this.#client.close()
  }
}

function channelCredentials(tls: EtcdTls | undefined): ChannelCredentials {
  return tls === undefined ? credentials.createInsecure() : credentials.createSsl(tls.authorities, tls.key ?? null, tls.certificate ?? null)
}

function asIs(bytes: Buffer): Buffer {
  return bytes
}
