/** The HTTP endpoint: `/metrics` for Prometheus, `/healthz` for supervisors. It listens apart from clients and knows nothing of commands. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from './metrics.ts'

export interface EndpointOptions {
  /** 0 takes a free port. */
  readonly port: number
  readonly bind: string
  readonly metrics: Metrics
  /** Why the server cannot serve now (loading, log failed), or undefined when all is well. */
  readonly trouble: () => string | undefined
}

export interface Endpoint {
  readonly port: number
  close(): Promise<void>
}

/** Resolves when the endpoint listens; rejects when it cannot. */
export function startMetricsEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const server = createServer((request, response) => {
    answer(request, response, options).catch((failure: unknown) => {
      if (!response.headersSent) response.writeHead(500, { 'Content-Type': 'text/plain' })
      response.end(`${failure}\n`)
    })
  })
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.bind, () => resolve({ port: (server.address() as AddressInfo).port, close }))
  })
}

async function answer(request: IncomingMessage, response: ServerResponse, options: EndpointOptions): Promise<void> {
  const path = request.url?.split('?')[0]
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    send(response, 405, 'text/plain', 'only GET\n')
  } else if (path === '/metrics') {
    send(response, 200, options.metrics.contentType, await options.metrics.text())
  } else if (path === '/healthz') {
    const trouble = options.trouble()
    send(response, trouble === undefined ? 200 : 503, 'text/plain', `${trouble ?? 'ok'}\n`)
  } else {
    send(response, 404, 'text/plain', 'see /metrics or /healthz\n')
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}
