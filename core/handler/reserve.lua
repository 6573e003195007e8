-- reserve: draw sequences. The text of draw.lua stands before this.
--   KEYS[1]  the last sequence that was drawn
--   ARGV[1]  how many
-- Returns the first.
return draw(KEYS[1], ARGV[1])
