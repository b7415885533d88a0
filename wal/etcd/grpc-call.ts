/**
 * One call of gRPC on a stream of HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): messages, each behind a byte that
 * says whether it is compressed, which none is here, and its length; then a status in the trailers. A call whose stream ends without
 * one has failed as unavailable.
 */
import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import { constants } from 'node:http2'
import type { GrpcStatus } from './grpc-status.ts'
import { grpcStatus } from './grpc-status.ts'

/** In front of each message. */
export const GRPC_PREFIX_BYTES = 5
const LENGTH_AT = 1

export interface GrpcHandlers {
  /** The bytes are this call's own. */
  onMessage(message: Buffer): void
  /** The last call, once. */
  onEnd(status: GrpcStatus): void
}

export class GrpcCall {
  readonly #stream: ClientHttp2Stream
  readonly #handlers: GrpcHandlers
  /** What has come of a message that is not whole yet, and how much is needed to go on. */
  #chunks: Buffer[] = []
  #held = 0
  #needed = GRPC_PREFIX_BYTES
  /** The headers that have the status. */
  #last: IncomingHttpHeaders | undefined
  #isOver = false

  constructor(stream: ClientHttp2Stream, handlers: GrpcHandlers) {
    this.#stream = stream
    this.#handlers = handlers
    stream.on('response', (headers) => this.#begun(headers))
    stream.on('trailers', (headers) => {
      this.#last = headers
    })
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
    stream.on('end', () => this.#ended('the server has said nothing more'))
    stream.on('error', (failure: Error) => this.#ended(failure.message))
    stream.on('close', () => this.#ended('the stream was closed'))
  }

  /** Sends a message with room for the prefix in front; with `isLast` none follows. */
  send(message: Buffer, isLast: boolean): void {
    message[0] = 0
    message.writeUInt32BE(message.length - GRPC_PREFIX_BYTES, LENGTH_AT)
    if (isLast) this.#stream.end(message)
    else this.#stream.write(message)
  }

  /** A few messages are buffered, the others wait at the server. */
  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  /** Ends the call as `status` says. Nothing happens when it has ended already. */
  cancel(status: GrpcStatus): void {
    if (this.#isOver) return
    this.#stream.close(constants.NGHTTP2_CANCEL)
    this.#end(status)
  }

  #begun(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    if (headers['grpc-status'] !== undefined) this.#last = headers
    else if (Number(headers[':status']) !== 200) this.cancel({ code: grpcStatus.UNAVAILABLE, details: `HTTP status ${headers[':status']}` })
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    while (!this.#isOver && this.#held >= this.#needed) {
      const bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
      const end = GRPC_PREFIX_BYTES + bytes.readUInt32BE(LENGTH_AT)
      if (bytes.length < end) {
        this.#chunks = [bytes]
        this.#needed = end
        return
      }
      if (bytes[0] !== 0) {
        this.cancel({ code: grpcStatus.INTERNAL, details: 'the message is compressed' })
        return
      }
      const rest = bytes.subarray(end)
      this.#chunks = rest.length > 0 ? [rest] : []
      this.#held = rest.length
      this.#needed = GRPC_PREFIX_BYTES
      this.#handlers.onMessage(bytes.subarray(GRPC_PREFIX_BYTES, end))
    }
  }

  #ended(otherwise: string): void {
    if (this.#isOver) return
    const code = Number(this.#last?.['grpc-status'])
    if (Number.isInteger(code)) this.#end({ code, details: textOf(this.#last?.['grpc-message']) })
    else this.#end({ code: grpcStatus.UNAVAILABLE, details: otherwise })
  }

  #end(status: GrpcStatus): void {
    this.#isOver = true
    this.#chunks = []
    this.#handlers.onEnd(status)
  }
}

/** Bytes that are not printable are written as %XX. */
function textOf(message: string | string[] | undefined): string {
  const text = `${message ?? ''}`
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
