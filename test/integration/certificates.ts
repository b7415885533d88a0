/** Certificates for tests, made with openssl: an authority, and by it a server and a client. They carry no name of a user: etcd's JSON gateway refuses those. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** Names of files in PEM format. */
export interface TestCertificates {
  readonly authority: string
  readonly server: CertificateFiles
  readonly client: CertificateFiles
}

export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
const leaf = ['-addext', 'basicConstraints=CA:FALSE', '-addext', 'extendedKeyUsage=serverAuth,clientAuth']

/** Puts the files into `directory`. The server's is good for these addresses. */
export function makeCertificates(directory: string, addresses: readonly string[] = ['127.0.0.1']): TestCertificates {
  const authority = request(directory, 'authority', [])
  const signed = ['-CA', authority.certificate, '-CAkey', authority.key, ...leaf]
  const names = addresses.map((address) => `IP:${address}`).join(',')
  return {
    authority: authority.certificate,
    server: request(directory, 'server', [...signed, '-addext', `subjectAltName=${names}`]),
    client: request(directory, 'client', signed),
  }
}

function request(directory: string, name: string, flags: readonly string[]): CertificateFiles {
  const files = { certificate: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) }
  const subject = ['-subj', `/O=${name}`, '-days', '2', '-keyout', files.key, '-out', files.certificate]
  const { status, stderr } = spawnSync('openssl', ['req', '-x509', ...newKey, ...subject, ...flags])
  if (status !== 0) throw new Error(`openssl: ${stderr}`)
  return files
}
