"""Lists of English words, in lower case: those that carry no subject, and those that tell kinds and subjects.

Written by hand for this library, from what is said in any conversation whatever its subject.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words that carry no subject: greetings, fillers, praise, light verbs, vague nouns, adverbs. They are never keywords,
#: nor are they names when a sentence begins with them.
FILLERS = _words("""
hi hey hello bye goodbye wow woah whoa yeah yea yep yup yes nope nah ok okay oh ooh ah aww aw ha haha hahaha hehe lol
lmao omg hmm hm uh um umm huh ugh yay phew sheesh damn gosh dude bro man mate buddy pal guys folks thanks thank thx ty
please pls sorry congrats congratulations welcome cheers btw tbh imo idk gotta gonna wanna kinda sorta gon na ta lemme
ya ur u r im ive id ill dont didnt doesnt isnt wasnt cant couldnt wont wouldnt thats whats hows heres theres lets
cause 'cause cuz
youre youve theyre weve ca wo ai n't not 's 'm 're 've 'll 'd ’s ’m ’re ’ve ’ll ’d n’t s t m re ve ll d c'mon good
great nice cool awesome amazing incredible wonderful fantastic fabulous excellent perfect lovely beautiful gorgeous
stunning impressive inspiring interesting fun funny hilarious cute sweet kind nicely best better bad worse worst big
small little huge tiny long short old new young high low hard easy tough difficult different same similar special real
true right wrong sure certain able glad happy sad excited exciting proud grateful thankful important helpful useful
crazy insane weird strange super pretty fine well main whole full various several favorite favourite own entire
absolutely actually almost already also always anyway basically certainly currently definitely especially even ever
exactly finally generally honestly hopefully indeed instead just later literally lately maybe mostly nearly never
obviously often only perhaps personally possibly probably quickly quite rather really recently seriously simply slowly
somehow sometimes soon still surely then though totally truly unfortunately usually yet again ago get gets got getting
gotten go goes going went gone come comes coming came make makes made making take takes took taken taking give gives
gave given giving let lets put puts putting keep keeps kept keeping say says said saying tell tells told telling ask
asks asked asking talk talks talked talking speak see sees saw seen seeing look looks looked looking hear hears heard
hearing listen watch know knows knew known knowing think thinks thought thinking feel feels felt feeling feelings want
wants wanted wanting need needs needed needing like likes liked love loves loved loving hate enjoy enjoys enjoyed
enjoying hope hopes hoped hoping wish wishes wonder wondering guess believe mean means meant seem seems seemed sound
sounds sounded try tries tried trying use uses used using work works worked find finds found finding show shows showed
shown showing help helps helped helping start starts started starting stop stopped begin began end ended happen
happens happened happening become becomes became stay stays stayed leave left turn turned bring brings brought
bringing call called calls meet met meeting share shares shared sharing check checked checking catch caught remind
reminds reminded remember forget forgot spend spent add added set sets run runs ran move moved follow followed pick
picked include includes including provide provides ensure consider create creates created creating allow allows
involve thing things stuff way ways lot lots bit kind kinds sort sorts type types time times day days week weeks
weekend weekends month months year years hour hours minute minutes moment moments today tonight tomorrow yesterday
morning afternoon evening night nights now nowadays people person someone somebody something anyone anybody anything
everyone everybody everything nobody nothing none one ones two three four five six seven eight nine ten first second
third last next past few couple many much more most less least every each any some other others another such else part
parts place places point points side case fact idea ideas example number step steps detail details tip tips reason
question questions answer problem issue life world chance plan plans planning planned experience experiences forward
worth change changes changed supportive monday tuesday wednesday thursday friday saturday sunday january february
march april may june july august september october november december image photo photograph picture pic pics photos
pictures shares front background close-up closeup user assistant araff absolutely certainly overview summary
conclusion note notes key additional additionally however furthermore moreover overall firstly secondly finally
therefore thus based specific effectively effective feel free having being doing putting pushing working waiting
sitting standing care deal clean difference effort handle ready busy wait far imagine bunch anyways away plus nt woo
hoo whoo fri mon tue tues wed thu thurs bored news choice wanted gives let know appreciate appreciated curious bet
figure figured reach reached hearing luck wishing agree agreed would could should might must shall will can may cannot
im'a etc eg ie via per vs
""")

#: Words in -ly and -ed that are things, not manners and deeds.
NOUNS_IN_LY_ED = _words("""
family families italy july reply belly jelly butterfly supply lily ally assembly anomaly monopoly bed seed weed shed
breed speed feed sled embed need hundred creed reed red wed led hybrid united
""")

#: Title words that come before a person's name, and words that introduce one.
PERSON_BEFORE = _words("""
mr mrs ms dr prof professor uncle aunt aunty auntie grandma grandpa cousin brother sister friend colleague boss coach
husband wife son daughter mom dad mentor neighbor neighbour teacher partner boyfriend girlfriend mr. mrs. ms. dr.
roommate
""")

#: Words a name of a place, or of an organization, ends with or holds.
PLACE_PARTS = _words("""
city town street st. avenue road park beach lake river mount mountain mountains island islands bay valley canyon
forest desert falls bridge square station airport museum castle palace temple cathedral plaza hill hills coast county
village garden gardens trail
""")
ORGANIZATION_PARTS = _words("""
university college school institute academy foundation company corporation inc inc. corp llc ltd club association
society committee council department agency hospital clinic bank church team league union center centre studio studios
shelter group
""")

#: Countries, and cities and states that come up in conversation.
PLACES = frozenset(
    name.strip() for name in """
afghanistan, albania, algeria, argentina, armenia, australia, austria, azerbaijan, bahamas, bangladesh, barbados,
belarus, belgium, bolivia, bosnia, botswana, brazil, bulgaria, cambodia, cameroon, canada, chile, china, colombia,
congo, costa rica, croatia, cuba, cyprus, czechia, denmark, dominican republic, ecuador, egypt, england, estonia,
ethiopia, fiji, finland, france, germany, ghana, greece, guatemala, haiti, honduras, hungary, iceland, india,
indonesia, iran, iraq, ireland, israel, italy, jamaica, japan, kazakhstan, kenya, korea, south korea, kuwait, laos,
latvia, lebanon, libya, lithuania, luxembourg, madagascar, malaysia, maldives, malta, mexico, moldova, monaco,
mongolia, montenegro, morocco, mozambique, myanmar, namibia, nepal, netherlands, new zealand, nicaragua, nigeria,
norway, oman, pakistan, palestine, panama, paraguay, peru, philippines, poland, portugal, qatar, romania, russia,
rwanda, saudi arabia, scotland, senegal, serbia, singapore, slovakia, slovenia, somalia, south africa, spain, sri
lanka, sudan, sweden, switzerland, syria, taiwan, tanzania, thailand, tunisia, turkey, uganda, ukraine, united
kingdom, united states, uruguay, uzbekistan, venezuela, vietnam, wales, yemen, zambia, zimbabwe, uk, us, usa, u.s.,
u.k., uae, europe, asia, africa, america, south america, north america, antarctica, caribbean, scandinavia, middle
east, alabama, alaska, arizona, arkansas, california, colorado, connecticut, delaware, florida, hawaii, idaho,
illinois, indiana, iowa, kansas, kentucky, louisiana, maine, maryland, massachusetts, michigan, minnesota,
mississippi, missouri, montana, nebraska, nevada, new hampshire, new jersey, new mexico, new york, north carolina,
north dakota, ohio, oklahoma, oregon, pennsylvania, rhode island, south carolina, south dakota, tennessee, texas,
utah, vermont, west virginia, wisconsin, wyoming, ontario, quebec, british columbia, amsterdam, athens, atlanta, bali,
bangkok, banff, barcelona, beijing, berlin, boston, brooklyn, brussels, bucharest, budapest, buenos aires, cairo, cape
town, chicago, copenhagen, dallas, delhi, denver, detroit, dubai, dublin, edinburgh, frankfurt, geneva, hamburg,
hanoi, havana, helsinki, hong kong, houston, istanbul, jakarta, jerusalem, johannesburg, karachi, kyiv, kyoto, la,
lagos, las vegas, lima, lisbon, london, los angeles, lyon, madrid, manhattan, manila, melbourne, mexico city, miami,
milan, minneapolis, montreal, moscow, mumbai, munich, nairobi, naples, nashville, new delhi, new orleans, new york
city, nyc, osaka, oslo, ottawa, paris, philadelphia, phoenix, pittsburgh, portland, prague, reykjavik, rio de janeiro,
rome, san diego, san francisco, san jose, santiago, sao paulo, seattle, seoul, shanghai, stockholm, sydney, tel aviv,
tokyo, toronto, vancouver, venice, vienna, warsaw, washington, zurich
""".replace("\n", " ").split(",")
)  # fmt: skip

#: What a message is about, by the words that say so: the names of these subjects are tags.
SUBJECTS = {
    word: subject
    for subject, words in {
        "family": (
            "family mom mum mother dad father parent parents son daughter kid kids child children brother sister "
            "siblings husband wife grandma grandmother grandpa grandfather aunt uncle cousin baby pregnant "
            "adoption adopt marriage wedding married divorce"
        ),
        "work": (
            "job career boss coworker coworkers colleague colleagues office interview resume salary promotion "
            "internship hired startup business client clients workplace employer"
        ),
        "study": (
            "school college university class classes course courses exam exams homework semester degree professor "
            "student students essay thesis studying tutor lecture"
        ),
        "health": (
            "health doctor hospital sick illness medicine therapy therapist counseling surgery injury injured "
            "pain diet anxiety depression stress flu clinic diagnosis mental-health"
        ),
        "sport": (
            "gym workout workouts exercise soccer football basketball baseball tennis hockey marathon yoga "
            "swimming cycling hiking climbing skiing snowboarding surfing game-night tournament athlete"
        ),
        "food": (
            "food cook cooking cooked recipe recipes dinner lunch breakfast restaurant bake baking cake pizza "
            "pasta coffee dessert meal meals soup salad chicken vegan ingredients delicious"
        ),
        "travel": (
            "travel traveling trip trips vacation flight hotel airport road-trip roadtrip passport tourist abroad "
            "camping journey itinerary"
        ),
        "animals": (
            "dog dogs puppy puppies cat cats kitten pet pets bird birds horse turtle turtles animal animals vet"
        ),
        "music": ("music song songs album band concert guitar piano violin singer singing musician playlist drums"),
        "reading": ("book books novel novels author library poem poetry bookstore"),
        "film": ("movie movies film films tv sitcom episode episodes netflix actor actress cinema anime"),
        "games": ("videogame videogames gaming console playstation xbox nintendo chess boardgame steam"),
        "art": (
            "art painting paintings painted drawing sculpture pottery gallery exhibition artist artists sketch ceramics"
        ),
        "nature": ("nature forest ocean sunset sunrise wildlife garden gardening flowers"),
        "money": ("money budget savings loan debt mortgage invest investment rent tax taxes"),
        "technology": (
            "computer laptop software app code coding programming website database server api python javascript "
            "algorithm bug deploy docker"
        ),
        "home": ("apartment house moving roommate furniture renovation kitchen landlord neighborhood"),
        "community": (
            "volunteer volunteering charity donation donate fundraiser activism community pride protest nonprofit"
        ),
    }.items()
    for word in words.split()
}

#: Tags that tell what one message does or holds, not what it is about.
SIGNS = frozenset(
    {"question", "request", "plan", "answered", "person", "place", "organization", "title", "date", "link", "code"}
)
