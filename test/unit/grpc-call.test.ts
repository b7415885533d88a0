/** Calls of gRPC against a server of HTTP/2 in this process, which says what no member of etcd says on demand. */

import { once } from 'node:events'
import type { Http2Server, ServerHttp2Stream } from 'node:http2'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { realClock } from '../../server/real-clock.ts'
import { EtcdConnection } from '../../wal/etcd/etcd-connection.ts'
import { GRPC_PREFIX_BYTES } from '../../wal/etcd/grpc-call.ts'
import type { GrpcStatus } from '../../wal/etcd/grpc-status.ts'
import { grpcStatus } from '../../wal/etcd/grpc-status.ts'
import { ManualClock } from '../simulation/manual-clock.ts'

const patientMs = 30_000
const headers = { needsLeader: true, token: 'a token' }

function framed(text: string, isCompressed = false): Buffer {
  const message = Buffer.alloc(GRPC_PREFIX_BYTES + text.length)
  message[0] = isCompressed ? 1 : 0
  message.writeUInt32BE(text.length, 1)
  message.write(text, GRPC_PREFIX_BYTES)
  return message
}

/** Answers with these bytes, one after the other in pieces of their own, and these trailers. */
function answers(stream: ServerHttp2Stream, pieces: readonly Buffer[], trailers: Record<string, string>): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  const [first, ...rest] = pieces
  if (first === undefined) stream.end()
  else stream.write(first, () => setImmediate(() => answersOn(stream, rest)))
}

function answersOn(stream: ServerHttp2Stream, [first, ...rest]: readonly Buffer[]): void {
  if (first === undefined) stream.end()
  else stream.write(first, () => setImmediate(() => answersOn(stream, rest)))
}

describe('a call', () => {
  let server: Http2Server
  let connection: EtcdConnection
  let serve: (stream: ServerHttp2Stream, asked: Record<string, unknown>) => void

  beforeEach(async () => {
    server = createServer()
    server.on('stream', (stream, asked) => {
      stream.on('error', () => undefined)
      serve(stream, asked)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    connection = new EtcdConnection(`127.0.0.1:${(server.address() as AddressInfo).port}`, undefined, realClock)
  })

  afterEach(() => {
    connection.close()
    server.close()
  })

  function ask(text: string, deadlineMs = patientMs): Promise<{ status: GrpcStatus; reply: string }> {
    return new Promise((resolve) => {
      connection.unary('/service/method', headers, framed(text), deadlineMs, (status, reply) => resolve({ status, reply: `${reply}` }))
    })
  }

  it('sends a message and its headers, and takes the answer however it is cut into pieces', async () => {
    const got: unknown[] = []
    const bytes = framed('an answer')
    serve = (stream, asked) => {
      got.push(asked[':path'], asked['content-type'], asked.te, asked.hasleader, asked.token, asked['grpc-timeout'])
      stream.on('data', (chunk: Buffer) => got.push(chunk.toString('latin1')))
      stream.on('end', () =>
        answers(
          stream,
          [...bytes].map((_, i) => bytes.subarray(i, i + 1)),
          { 'grpc-status': '0' },
        ),
      )
    }
    expect(await ask('asked')).toEqual({ status: { code: 0, details: '' }, reply: 'an answer' })
    expect(got).toEqual(['/service/method', 'application/grpc', 'trailers', 'true', 'a token', '30000m', '\0\0\0\0\x05asked'])
  })

  it('tells several messages, those in one piece too', async () => {
    serve = (stream) => {
      const all = Buffer.concat(['one', '', 'three'].map((text) => framed(text)))
      answers(stream, [all.subarray(0, 20), all.subarray(20)], { 'grpc-status': '0' })
    }
    const told: string[] = []
    await new Promise<void>((resolve) => {
      connection.stream('/', headers, { onMessage: (message) => told.push(`${message}`), onEnd: () => resolve() })
    })
    expect(told).toEqual(['one', '', 'three'])
  })

  it('ends with the status of the trailers, or of an answer that is nothing else', async () => {
    serve = (stream) => answers(stream, [], { 'grpc-status': '8', 'grpc-message': 'too much%3A 100%25' })
    expect((await ask('x')).status).toEqual({ code: grpcStatus.RESOURCE_EXHAUSTED, details: 'too much: 100%' })
    serve = (stream) => stream.respond({ ':status': 200, 'grpc-status': '14', 'grpc-message': 'no leader' }, { endStream: true })
    expect((await ask('x')).status).toEqual({ code: grpcStatus.UNAVAILABLE, details: 'no leader' })
  })

  it('is unavailable when the stream ends without a status, is reset, or belongs to a server of something else', async () => {
    serve = (stream) => answers(stream, [framed('half an answer').subarray(0, 9)], {})
    expect((await ask('x')).status.code).toBe(grpcStatus.UNAVAILABLE)
    serve = (stream) => stream.close(2)
    expect((await ask('x')).status.code).toBe(grpcStatus.UNAVAILABLE)
    serve = (stream) => {
      stream.respond({ ':status': 502 })
      stream.end('<html>')
    }
    expect((await ask('x')).status).toEqual({ code: grpcStatus.UNAVAILABLE, details: 'HTTP status 502' })
  })

  it('goes over a new connection when the numbers of one are used up', async () => {
    const sessions: unknown[] = []
    server.on('session', (session) => sessions.push(session))
    connection = new EtcdConnection(`127.0.0.1:${(server.address() as AddressInfo).port}`, undefined, realClock, 2)
    serve = (stream) => answers(stream, [framed('an answer')], { 'grpc-status': '0' })
    for (const text of ['one', 'two', 'three']) expect((await ask(text)).reply).toBe('an answer')
    expect(sessions).toHaveLength(2)
  })

  it('refuses compressed messages', async () => {
    serve = (stream) => answers(stream, [framed('x', true)], { 'grpc-status': '0' })
    expect((await ask('x')).status.code).toBe(grpcStatus.INTERNAL)
  })

  it('ends at its deadline, or with the connection; the next one makes a new connection', async () => {
    serve = () => undefined
    expect((await ask('x', 5)).status.code).toBe(grpcStatus.DEADLINE_EXCEEDED)
    const underWay = ask('x')
    connection.close()
    expect((await underWay).status.code).toBe(grpcStatus.CANCELLED)
    serve = (stream) => answers(stream, [framed('again')], { 'grpc-status': '0' })
    expect((await ask('x')).reply).toBe('again')
    const sessions: { destroy(): void }[] = []
    server.on('session', (session) => sessions.push(session))
    serve = (stream) => stream.session?.destroy()
    expect((await ask('x')).status.code).toBe(grpcStatus.UNAVAILABLE)
    serve = (stream) => answers(stream, [framed('and again')], { 'grpc-status': '0' })
    expect((await ask('x')).reply).toBe('and again')
    expect(sessions).toHaveLength(1)
  })
})

it('a connection that is not made in time is given up, and the next call tries again', async () => {
  const clock = new ManualClock()
  let connections = 0
  const silent = createTcpServer((socket) => {
    connections++
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const connection = new EtcdConnection(`127.0.0.1:${(silent.address() as AddressInfo).port}`, { authorities: Buffer.alloc(0) }, clock)
  for (const tries of [1, 2]) {
    const accepted = once(silent, 'connection')
    const ended = new Promise<GrpcStatus>((resolve) => {
      connection.unary('/service/method', headers, framed('x'), patientMs, resolve)
    })
    await accepted
    clock.advance(5000)
    expect((await ended).code).toBe(grpcStatus.UNAVAILABLE)
    expect(connections).toBe(tries)
  }
  connection.close()
  silent.close()
})
