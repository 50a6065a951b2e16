//! How a value lies in Redis and Memcached: a version, a checksum, the stamp of its generation, its age, then the value.
