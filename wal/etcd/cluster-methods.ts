/**
 * The calls of etcd's services Maintenance, Cluster and Auth: how a member is, who the members are, alarms, the hand-over of
 * etcd's own leadership, and a user's token. Status, alarms and defragmentation concern the member that is asked.
 */
import type { EtcdMethod } from './etcd-method.ts'
import { emptyRequest, shortRequest } from './etcd-method.ts'
import { ProtobufReader } from './protobuf.ts'

export interface MemberStatus {
  /** The member that answered. */
  readonly member: bigint
  readonly version: string
  /** Bytes that the database's file takes: what the quota bounds. Compaction does not make it smaller, defragmentation does. */
  readonly databaseBytes: number
  /** Bytes of it that are in use. */
  readonly databaseBytesInUse: number
  /** The member that leads, as this one believes; 0 when it knows of none. */
  readonly leader: bigint
  readonly raftTerm: number
  /** How far the cluster has committed, as this member knows. */
  readonly raftIndex: number
  /** How far this member has applied. */
  readonly raftAppliedIndex: number
  /** Alarms and what else etcd finds worth telling, in its own words. */
  readonly errors: readonly string[]
}

export interface Member {
  readonly id: bigint
  /** Empty as long as it has never been started. */
  readonly name: string
  readonly clientUrls: readonly string[]
}

export type AlarmKind = 'noSpace' | 'corrupt' | 'unknown'

export interface Alarm {
  readonly member: bigint
  readonly kind: AlarmKind
}

export interface User {
  readonly name: string
  readonly password: string
}

export const status: EtcdMethod<void, MemberStatus> = {
  path: '/etcdserverpb.Maintenance/Status',
  needsLeader: false,
  encode: emptyRequest,
  decode: decodeStatus,
}

/** The alarms of all members. While one says `noSpace`, etcd refuses every put. */
export const alarms: EtcdMethod<void, readonly Alarm[]> = {
  path: '/etcdserverpb.Maintenance/Alarm',
  needsLeader: true,
  encode: emptyRequest,
  decode: decodeAlarms,
}

/** Ends an alarm; answers with those that it ended. It comes again at the next put if its reason has not gone. */
export const disarm: EtcdMethod<Alarm, readonly Alarm[]> = {
  path: '/etcdserverpb.Maintenance/Alarm',
  needsLeader: true,
  encode: ({ member, kind }) =>
    shortRequest((writer) => {
      writer.integer(3, alarmKinds.indexOf(kind))
      writer.identity(2, member)
      writer.integer(1, 2)
    }),
  decode: decodeAlarms,
}

/** Gives the free space of the member's database back to the file system. The member answers nothing else meanwhile. */
export const defragment: EtcdMethod<void, void> = {
  path: '/etcdserverpb.Maintenance/Defragment',
  needsLeader: false,
  encode: emptyRequest,
  decode: () => undefined,
}

/** Hands etcd's leadership to a member. Only the leader does it; the others refuse. */
export const moveLeader: EtcdMethod<bigint, void> = {
  path: '/etcdserverpb.Maintenance/MoveLeader',
  needsLeader: true,
  encode: (target) => shortRequest((writer) => writer.identity(1, target)),
  decode: () => undefined,
}

export const members: EtcdMethod<void, readonly Member[]> = {
  path: '/etcdserverpb.Cluster/MemberList',
  needsLeader: false,
  encode: emptyRequest,
  decode: (bytes) => readEach(bytes, 2, readMember),
}

/** A token for a user, which the calls that follow carry. */
export const authenticate: EtcdMethod<User, string> = {
  path: '/etcdserverpb.Auth/Authenticate',
  needsLeader: true,
  encode: ({ name, password }) =>
    shortRequest((writer) => {
      writer.text(2, password)
      writer.text(1, name)
    }),
  decode: (bytes) => readEach(bytes, 2, (token) => token.toString())[0] ?? '',
}

/** By etcd's numbers; 0 stands for no alarm. */
const alarmKinds: readonly AlarmKind[] = ['unknown', 'noSpace', 'corrupt']

function decodeStatus(bytes: Buffer): MemberStatus {
  const reader = new ProtobufReader(bytes)
  const errors: string[] = []
  const found = {
    member: 0n,
    version: '',
    databaseBytes: 0,
    databaseBytesInUse: 0,
    leader: 0n,
    raftTerm: 0,
    raftIndex: 0,
    raftAppliedIndex: 0,
  }
  while (reader.next()) {
    if (reader.field === 1) found.member = readMemberId(reader.message())
    else if (reader.field === 2) found.version = reader.text()
    else if (reader.field === 3) found.databaseBytes = reader.integer()
    else if (reader.field === 4) found.leader = reader.identity()
    else if (reader.field === 5) found.raftIndex = reader.integer()
    else if (reader.field === 6) found.raftTerm = reader.integer()
    else if (reader.field === 7) found.raftAppliedIndex = reader.integer()
    else if (reader.field === 8) errors.push(reader.text())
    else if (reader.field === 9) found.databaseBytesInUse = reader.integer()
    else reader.skip()
  }
  return { ...found, errors }
}

/** The header's id of the member that answered. */
function readMemberId(header: ProtobufReader): bigint {
  let member = 0n
  while (header.next()) {
    if (header.field === 2) member = header.identity()
    else header.skip()
  }
  return member
}

function decodeAlarms(bytes: Buffer): readonly Alarm[] {
  return readEach(bytes, 2, (alarm) => {
    const reader = new ProtobufReader(alarm)
    let member = 0n
    let kind: AlarmKind = 'unknown'
    while (reader.next()) {
      if (reader.field === 1) member = reader.identity()
      else if (reader.field === 2) kind = alarmKinds[reader.integer()] ?? 'unknown'
      else reader.skip()
    }
    return { member, kind }
  })
}

function readMember(bytes: Buffer): Member {
  const reader = new ProtobufReader(bytes)
  const clientUrls: string[] = []
  let id = 0n
  let name = ''
  while (reader.next()) {
    if (reader.field === 1) id = reader.identity()
    else if (reader.field === 2) name = reader.text()
    else if (reader.field === 4) clientUrls.push(reader.text())
    else reader.skip()
  }
  return { id, name, clientUrls }
}

/** The elements of a repeated field of a message. */
function readEach<T>(bytes: Buffer, field: number, read: (element: Buffer) => T): T[] {
  const reader = new ProtobufReader(bytes)
  const elements: T[] = []
  while (reader.next()) {
    if (reader.field === field) elements.push(read(reader.bytes()))
    else reader.skip()
  }
  return elements
}
