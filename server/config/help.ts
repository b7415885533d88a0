/** What `moraine --help` and `moraine --version` print. */

/** The text that the command line asks for instead of a server, or undefined. */
export function textInstead(argv: readonly string[], version: string): string | undefined {
  if (argv.length !== 1) return undefined
  if (argv[0] === '--help' || argv[0] === '-h') return help
  if (argv[0] === '--version' || argv[0] === '-v') return `Moraine server v=${version} bits=64`
  return undefined
}

const help = `Usage: moraine [/path/to/moraine.conf] [--name value ...]
       moraine import or moraine export (see moraine import --help)
       moraine backup, moraine verify-backup or moraine move (see moraine backup --help)
       moraine -v or --version
       moraine -h or --help

Serves the Redis protocol; every acknowledged write is on disk, and values move there when memory is short.
The configuration file has one "name value" a line; the command line comes after it. docs/configuration.md lists all names.

Examples:
       moraine (port 6379, data in ./data)
       moraine --port 7777 --dir /srv/moraine --maxmemory 4gb
       moraine /etc/moraine.conf --loglevel verbose
       moraine --appendfsync everysec --tier-promote always
       moraine --metrics-port 9121 (figures at http://127.0.0.1:9121/metrics)`
