"""Published pseudonyms of Crypto-PAn, by key and address.

Those of REFERENCE_KEY are for IPv4 from the traces that the scheme's authors distribute (the first and the last address
of all from https://metacpan.org/pod/IP::Anonymous), for IPv6 from https://github.com/Yawning/cryptopan; those of
LIBANON_KEY are from https://github.com/schoenw/libanon, the others from https://github.com/keiichishima/yacryptopan.
All of them were read in a collection,
https://github.com/noinkling/node-cryptopan/blob/main/src/test/test_data.ts.
"""

REFERENCE_KEY = bytes.fromhex("1522178d33a4cf80130a5b1649907d10d8988f837979652762574c2d2a842202")
LIBANON_KEY = bytes.fromhex("d1c056a983786a38ca76a05cda240c7b86d7713693544000a0e6c4dd5b3dabdd")
COUNTED_KEY = bytes(range(32))
DIEKMANN_KEY = bytes.fromhex("8009ab3a605435bea0c385bea18485d8b0a1103d6590bdf48c968be5de53836e")

PUBLISHED = {
    REFERENCE_KEY: {
        "128.11.68.132": "135.242.180.132",
        "129.118.74.4": "134.136.186.123",
        "130.132.252.244": "133.68.164.234",
        "141.223.7.43": "141.167.8.160",
        "141.233.145.108": "141.129.237.235",
        "152.163.225.39": "151.140.114.167",
        "156.29.3.236": "147.225.12.42",
        "165.247.96.84": "162.9.99.234",
        "166.107.77.190": "160.132.178.185",
        "192.102.249.13": "252.138.62.131",
        "192.215.32.125": "252.43.47.189",
        "204.184.162.189": "243.192.77.90",
        "216.254.18.172": "235.7.16.162",
        "24.0.250.221": "100.15.198.226",
        "38.15.67.68": "64.3.66.187",
        "4.3.88.225": "124.60.155.63",
        "64.14.118.196": "0.255.183.58",
        "0.0.0.0": "120.255.240.1",
        "255.255.255.255": "206.120.97.255",
        "::1": "78ff:f001:9fc0:20df:8380:b1f1:704:ed",
        "::2": "78ff:f001:9fc0:20df:8380:b1f1:704:ef",
        "::ffff": "78ff:f001:9fc0:20df:8380:b1f1:704:f838",
        "2001:db8::1": "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e",
        "2001:db8::2": "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c",
    },
    LIBANON_KEY: {
        "1.2.3.4": "236.157.211.10",
        "1.2.3.3": "236.157.211.12",
        "255.255.255.254": "0.0.127.6",
        "112.28.3.2": "136.126.15.210",
        "31d6:1be5:41bd:663c:3e9e:1005:1eec:6f01": "cc29:fb1a:b9fd:613c:e68:a03b:1efd:961f",
        "fffe:638:709:861::3": "1:ce05:ee9:971:7f1f:1f8:ec7:c05b",
        "ffff:638:709:861::1": "0:e9f8:3928:f76e:3f:3fc6:135:ffa6",
        "2001:638:709:4::4": "d0f1:f603:8e9:6cb:803f:3e39:f134:3fbb",
    },
    COUNTED_KEY: {"192.0.2.1": "2.90.93.17", "2001:db8::1": "dd92:2c44:3fc0:ff1e:7ff9:c7f0:8180:7e00"},
    DIEKMANN_KEY: {
        "8.8.8.8": "55.21.62.136",
        "2a02:0db8:85a3:0000:0000:8a2e:0370:7344": "1482:f447:75b3:f1f9:fbdf:622e:34f:ff7b",
        "::ffff:192.0.2.128": "3883:b073:ff0f:fff8:203f:7c8:617:fd01",
    },
}
