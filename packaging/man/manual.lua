-- Makes a manual page of a page of docs/: pandoc's filter for `--to man`.
--
-- `# NAME: what it is` becomes the sections NAME and, where text follows, DESCRIPTION; the headings below rise by one, a table becomes a list of its first
-- column's terms, and links into docs/ become their text, for a terminal cannot follow them.

local function plain_link(link)
  if link.target:match("^https?://") then
    return nil
  end
  return link.content
end

local function name_section(header)
  local name, purpose = pandoc.utils.stringify(header):match("^(%S+): (.+)$")
  return { pandoc.Header(1, "NAME"), pandoc.Para({ pandoc.Str(name .. " - " .. purpose) }) }
end

local function sections(document)
  local blocks = pandoc.List()
  for position, block in ipairs(document.blocks) do
    if block.t ~= "Header" then
      blocks:insert(block)
    elseif block.level > 1 then
      block.level = block.level - 1
      blocks:insert(block)
    else
      blocks:extend(name_section(block))
      if document.blocks[position + 1].t ~= "Header" then
        blocks:insert(pandoc.Header(1, "DESCRIPTION"))
      end
    end
  end
  document.blocks = blocks
  return document
end

-- What a cell of a further column says, with the column's name where the second column has the explanation.
local function cell_text(cell, title, column)
  local inlines = pandoc.utils.blocks_to_inlines(cell)
  if #inlines == 0 then
    return nil
  end
  if column > 2 then
    table.insert(inlines, 1, pandoc.Space())
    table.insert(inlines, 1, pandoc.Emph({ pandoc.Str(title .. ":") }))
  end
  return pandoc.Para(inlines)
end

local function terms(full)
  local simple = pandoc.utils.to_simple_table(full)
  local items = {}
  for _, row in ipairs(simple.rows) do
    local said = {}
    for column = 2, #row do
      local text = cell_text(row[column], pandoc.utils.stringify(simple.headers[column]), column)
      if text then
        table.insert(said, text)
      end
    end
    table.insert(items, { pandoc.utils.blocks_to_inlines(row[1]), { said } })
  end
  return pandoc.DefinitionList(items)
end

return { { Link = plain_link }, { Table = terms, Pandoc = sections } }
