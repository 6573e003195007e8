-- Samples that wait to be judged, and notes, under a former name.
UPDATE {table} AS b SET chain = {chain}, entity = {entity}
WHERE b.watch = {watch} AND (b.chain, b.entity) <> ({chain}, {entity})
