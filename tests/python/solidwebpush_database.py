"""Makes a subscriptors.db as solidwebpush 1.2.3 does: solidwebpush_database.py FILE ENDPOINT NUMBER"""
import json
import sqlite3
import sys

KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}

file, endpoint, number = sys.argv[1:]
with sqlite3.connect(file) as database:
    database.execute(
        "CREATE TABLE subscriptors (session_id VARCHAR(256) NOT NULL PRIMARY KEY,"
        " subscription VARCHAR(512) NOT NULL, group_id INT NOT NULL)"
    )
    rows = ((str(at), json.dumps({"endpoint": f"{endpoint}/{at}", "keys": KEYS}), at % 2) for at in range(int(number)))
    database.executemany("INSERT INTO subscriptors VALUES (?, ?, ?)", rows)
    database.execute("INSERT INTO subscriptors VALUES ('broken', '{}', 0)")
