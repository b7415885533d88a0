"""Writes again and again through redis-py, in Sentinel or cluster mode, and prints the number of each write that was acknowledged.

Arguments: the mode (sentinel or cluster), a prefix of keys, and the ports of the nodes. Ends when its input does.
"""
import logging
import sys
import threading
import time

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel

mode, prefix, *ports = sys.argv[1:]
# In seconds. A node that is killed closes its connections; one that a busy machine holds up must not be taken for dead.
patience = 20
# The library logs every redirection as an exception.
logging.disable()


def connect():
    if mode == 'sentinel':
        sentinel = Sentinel([('127.0.0.1', int(port)) for port in ports], socket_timeout=patience)
        return sentinel.master_for('mymaster', socket_timeout=patience)
    nodes = [ClusterNode('127.0.0.1', int(port)) for port in ports]
    return RedisCluster(startup_nodes=nodes, socket_timeout=patience)


ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()

client = None
number = 0
while not ended.is_set():
    number += 1
    try:
        client = client or connect()
        client.set(f'{prefix}:{number}', number)
        print(number, flush=True)
    except redis.exceptions.RedisClusterException as failure:
        # Version 4.3 cannot ask for the slots again once a node is gone, with redis-server neither: it copies a lock.
        client = None
        print(failure, file=sys.stderr, flush=True)
    except redis.exceptions.RedisError as failure:
        # The client stays the same: it has to follow the primary by itself.
        print(f'{type(failure).__name__}: {failure}', file=sys.stderr, flush=True)
        time.sleep(0.02)
