<?php
/** phpredis: all types, pipelines, transactions, scripts, scans. Prints what check.mjs prints. */
// Sessions begin before anything is sent: the lines go out at the end.
ob_start();
$redis = new Redis();
$redis->connect('127.0.0.1', (int) $argv[1]);
$failed = false;

function tell(array $line): void
{
    echo json_encode($line), "\n";
}

function check(string $what, callable $body): void
{
    global $failed;
    $begun = hrtime(true);
    $ms = fn () => intdiv(hrtime(true) - $begun, 1000000);
    try {
        $body();
        tell(['what' => $what, 'passed' => true, 'ms' => $ms()]);
    } catch (Throwable $error) {
        $failed = true;
        tell(['what' => $what, 'passed' => false, 'ms' => $ms(), 'error' => (string) $error]);
    }
}

function equal(mixed $found, mixed $expected): void
{
    if ($found !== $expected) throw new Exception(json_encode($found) . ' is not ' . json_encode($expected));
}

tell(['version' => phpversion('redis')]);

check('all types', function () use ($redis) {
    equal($redis->set('k', 'v', ['nx', 'ex' => 100]), true);
    equal($redis->hMSet('h', ['a' => 1, 'b' => 2]), true);
    equal($redis->hGetAll('h'), ['a' => '1', 'b' => '2']);
    equal($redis->rPush('l', 'a', 'b', 'c'), 3);
    equal($redis->lRange('l', 0, -1), ['a', 'b', 'c']);
    equal($redis->sAdd('s', 'x', 'y'), 2);
    equal($redis->sIsMember('s', 'x'), true);
    equal($redis->zAdd('z', 1, 'a', 2.5, 'b'), 2);
    equal($redis->zRange('z', 0, -1, true), ['a' => 1.0, 'b' => 2.5]);
    equal($redis->zRangeByScore('z', '(1', '+inf', ['withscores' => true, 'limit' => [0, 1]]), ['b' => 2.5]);
    $id = $redis->xAdd('x', '*', ['n' => '1']);
    equal($redis->xRange('x', '-', '+'), [$id => ['n' => '1']]);
    equal($redis->xGroup('CREATE', 'x', 'group', '0'), true);
    equal($redis->xReadGroup('group', 'c', ['x' => '>']), ['x' => [$id => ['n' => '1']]]);
    equal($redis->xAck('x', 'group', [$id]), 1);
});

check('geo index', function () use ($redis) {
    equal($redis->geoadd('g', 13.361389, 38.115556, 'Palermo'), 1);
});

check('pipelines, transactions, scripts', function () use ($redis) {
    $pipe = $redis->pipeline();
    for ($i = 0; $i < 500; $i++) $pipe->zIncrBy('zp', 1, "m$i");
    equal(count($pipe->exec()), 500);
    equal($redis->multi()->incr('n')->incr('n')->exec(), [1, 2]);
    equal($redis->eval("return {KEYS[1], redis.call('GET', KEYS[1])}", ['n'], 1), ['n', '2']);
    $sha = $redis->script('load', "return redis.call('INCR', KEYS[1])");
    equal($redis->evalSha($sha, ['n'], 1), 3);
});

check('scans', function () use ($redis) {
    $redis->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
    $seen = [];
    $cursor = null;
    while ($members = $redis->zScan('zp', $cursor)) $seen += $members;
    equal(count($seen), 500);
});

check('sort', function () use ($redis) {
    equal($redis->sort('l', ['alpha' => true, 'sort' => 'desc']), ['c', 'b', 'a']);
});

check('sessions', function () use ($argv) {
    ini_set('session.save_handler', 'redis');
    ini_set('session.save_path', "tcp://127.0.0.1:{$argv[1]}");
    ini_set('session.use_cookies', '0');
    ini_set('session.cache_limiter', '');
    session_id('abc');
    session_start();
    $_SESSION['n'] = 1;
    session_write_close();
    session_id('abc');
    session_start();
    equal($_SESSION['n'], 1);
    session_destroy();
});

check('dump and restore', function () use ($redis) {
    equal($redis->restore('copy', 0, $redis->dump('z')), true);
    equal($redis->zScore('copy', 'b'), 2.5);
});

exit($failed ? 1 : 0);
