/** Three zones as network namespaces, with faults of each sort: a process that dies, one that is stopped, a line that loses one direction. `npm run faults` has all of them. */
import { expect, it } from 'vitest'
import { runInZones } from '../faults/zoned-run.ts'
import { builtMoraine, describeWith, etcdServer, networkNamespaces, openssl } from '../needs.ts'

describeWith([builtMoraine, etcdServer, networkNamespaces], 'three zones with real faults', () => {
  it('lose nothing acknowledged, and show nothing that could not be', async () => {
    const faults = ['kill the primary', "stop etcd's leader", "lose what the primary's zone sends to the others"]
    const { ok, output } = await runInZones({ seed: 1, faults })
    expect(ok, output).toBe(true)
    for (const name of faults) expect(output).toContain(name)
  })
})

describeWith([builtMoraine, etcdServer, networkNamespaces, openssl], 'three zones with an etcd that demands TLS and a password', () => {
  it("lose nothing when the disk of etcd's leader is full", async () => {
    const faults = ["fill the disk of etcd's leader"]
    const { ok, output } = await runInZones({ seed: 2, faults, isSecured: true })
    expect(ok, output).toBe(true)
    expect(output).toContain(faults[0])
  })
})
