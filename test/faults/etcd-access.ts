/** How etcd is reached in a run: openly, or with TLS, certificates of both sides, and as a user with a password. */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { TestCertificates } from '../integration/certificates.ts'
import type { HttpRequest } from '../integration/http-exchange.ts'
import { httpExchange } from '../integration/http-exchange.ts'

export const etcdPort = 2379
const user = 'root'
const password = 'zones and faults'
const callMs = 10_000
const patienceMs = 90_000
const pauseMs = 100
/** What etcd says of a change that it has made already; once it demands a user, also that there is none. */
const madeBefore = /already exists|user name is empty/

type Flags = Readonly<Record<string, string>>
type Answer = Readonly<Record<string, unknown>> & { readonly ok: boolean }

export class EtcdAccess {
  readonly #certificates: TestCertificates | undefined
  readonly #tls: HttpRequest['tls']

  /** With `certificates` everything is secured. */
  constructor(certificates: TestCertificates | undefined) {
    this.#certificates = certificates
    if (certificates === undefined) return
    const { authority, client } = certificates
    this.#tls = { ca: readFileSync(authority), cert: readFileSync(client.certificate), key: readFileSync(client.key) }
  }

  urlOf(address: string): string {
    return `${this.#certificates === undefined ? 'http' : 'https'}://${address}:${etcdPort}`
  }

  /** What a member is started with. */
  get memberFlags(): Flags {
    if (this.#certificates === undefined) return {}
    const { authority, server } = this.#certificates
    return {
      'client-cert-auth': 'true',
      'trusted-ca-file': authority,
      'cert-file': server.certificate,
      'key-file': server.key,
      'bcrypt-cost': '4',
    }
  }

  /** What a node of Moraine is started with. */
  get nodeFlags(): Flags {
    if (this.#certificates === undefined) return {}
    const { authority, client } = this.#certificates
    return {
      'log-tls-ca-file': authority,
      'log-tls-cert-file': client.certificate,
      'log-tls-key-file': client.key,
      'log-user': user,
      'log-password': password,
    }
  }

  /** Demands of clients that they authenticate from now on, if that is wanted. */
  async begin(address: string): Promise<void> {
    if (this.#certificates === undefined) return
    await this.#insist(address, 'auth/user/add', { name: user, password })
    await this.#insist(address, 'auth/role/add', { name: user })
    await this.#insist(address, 'auth/user/grant', { user, role: user })
    await this.#insist(address, 'auth/enable', {})
  }

  /** A call through the JSON gateway. */
  async call(address: string, path: string, body: object): Promise<Answer> {
    if (this.#certificates === undefined) return this.#post(address, path, body)
    // A member that was started again knows no token of before.
    const { token } = await this.#demand(address, 'auth/authenticate', { name: user, password })
    return this.#post(address, path, body, `${token}`)
  }

  /** A change of users, again and again while etcd has no leader. An attempt before may have made it. */
  async #insist(address: string, path: string, body: object): Promise<void> {
    const untilMs = performance.now() + patienceMs
    for (;;) {
      const answer = await this.#demand(address, path, body).catch((failure: Error) => failure)
      if (!(answer instanceof Error) || madeBefore.test(answer.message)) return
      if (performance.now() > untilMs) throw answer
      await pause(pauseMs)
    }
  }

  async #demand(address: string, path: string, body: object): Promise<Answer> {
    const answer = await this.#post(address, path, body)
    if (!answer.ok) throw new Error(`etcd: ${path}: ${JSON.stringify(answer)}`)
    return answer
  }

  async #post(address: string, path: string, body: object, token?: string): Promise<Answer> {
    const headers = token === undefined ? {} : { Authorization: token }
    const { status, text } = await httpExchange(`${this.urlOf(address)}/v3/${path}`, {
      timeoutMs: callMs,
      body: JSON.stringify(body),
      headers,
      tls: this.#tls,
    })
    return { ...(JSON.parse(text) as object), ok: status === 200 }
  }
}
