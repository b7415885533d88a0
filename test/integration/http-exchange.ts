/**
 * One exchange over HTTP, on a connection of its own, that ends in time whatever becomes of the server: a `fetch` with
 * `AbortSignal.timeout` has been seen to wait for ever when the server was killed meanwhile.
 */
import { request as requestPlain } from 'node:http'
import { request as requestSecured } from 'node:https'

export interface HttpRequest {
  readonly timeoutMs: number
  /** Sent by POST; without it the request is a GET. */
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  /** PEM, for `https:`. */
  readonly tls?: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer } | undefined
}

export interface HttpAnswer {
  readonly status: number
  readonly text: string
}

/** Rejects when there is no whole answer in time. */
export function httpExchange(url: string, { timeoutMs, body, headers = {}, tls }: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:') ? requestSecured : requestPlain
    const sent = request(url, { method: body === undefined ? 'GET' : 'POST', headers, agent: false, ...tls })
    const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${timeoutMs} ms: ${url}`)), timeoutMs)
    const failed = (failure: Error): void => {
      clearTimeout(timer)
      reject(failure)
    }
    sent.on('error', failed)
    sent.on('response', (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', failed)
      response.on('end', () => {
        clearTimeout(timer)
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString() })
      })
    })
    sent.end(body)
  })
}
