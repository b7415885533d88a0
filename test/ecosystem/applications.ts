/** The libraries and applications that are tried, each by a program of `programs/` or, for `redis-cli` and the like, of the system. */

export interface Application {
  readonly name: string
  /** Its file below `programs/`. The ending says what runs it. */
  readonly program: string
  /** How to install it where it is missing; npm's packages are installed by the command. */
  readonly debian?: string
}

export const applications: readonly Application[] = [
  { name: 'ioredis', program: 'ioredis.mjs' },
  { name: 'node-redis', program: 'node-redis.mjs' },
  { name: 'BullMQ', program: 'bullmq.mjs' },
  { name: 'bull', program: 'bull.mjs' },
  { name: 'bee-queue', program: 'bee-queue.mjs' },
  { name: 'node-resque', program: 'node-resque.mjs' },
  { name: 'rsmq', program: 'rsmq.mjs' },
  { name: 'redlock', program: 'redlock.mjs' },
  { name: 'redis-semaphore', program: 'redis-semaphore.mjs' },
  { name: 'rate-limiter-flexible', program: 'rate-limiter-flexible.mjs' },
  { name: 'connect-redis', program: 'connect-redis.mjs' },
  { name: 'socket.io', program: 'socket.io.mjs' },
  { name: 'keyv', program: 'keyv.mjs' },
  { name: 'cache-manager', program: 'cache-manager.mjs' },
  { name: 'redis-cli', program: 'redis-cli.mjs', debian: 'redis-tools' },
  { name: 'redis-benchmark', program: 'redis-benchmark.mjs', debian: 'redis-tools' },
  { name: 'redis-py', program: 'redis-py.py', debian: 'python3-redis' },
  { name: 'celery', program: 'celery-tasks.py', debian: 'python3-celery' },
  { name: 'redis-rb', program: 'redis-rb.rb', debian: 'ruby-redis' },
  { name: 'sidekiq', program: 'sidekiq.rb', debian: 'ruby-sidekiq' },
  { name: 'phpredis', program: 'phpredis.php', debian: 'php-redis' },
]

/** What Moraine does not do, and why. Such a check is shown and does not fail the command, unless it passes: then it does not belong here. */
export const knownGaps: Readonly<Record<string, string>> = {}
