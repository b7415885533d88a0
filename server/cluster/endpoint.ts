/** Under which name clients of a cluster are told to reach a node: `cluster-preferred-endpoint-type`, as redis-server 7.0 has it. */

export type EndpointType = 'ip' | 'hostname' | 'unknown-endpoint'

/** What a node announces of itself. */
export interface Announced {
  readonly host: string
  readonly port: number
  /** Empty for none. */
  readonly hostname: string
}

/** Empty when clients are to use the address that they have used. */
export function endpointOf({ host, hostname }: Announced, type: EndpointType): string {
  if (type === 'ip') return host
  return type === 'hostname' ? hostname || '?' : ''
}

/** What CLUSTER SLOTS tells beside the endpoint. */
export function networkingMetadata({ host, hostname }: Announced, type: EndpointType): (readonly [name: string, value: string])[] {
  const told: [string, string][] = []
  if (type !== 'ip') told.push(['ip', host])
  if (type !== 'hostname' && hostname !== '') told.push(['hostname', hostname])
  return told
}
